//! Why something could not be done, each with what to do instead. A sentence must never quote a payload.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::records::{FieldErrors, Kind};
use careq_shared::replay::JobState;
use careq_shared::seal::OpenError;
use sea_orm::DbErr;
use uuid::Uuid;

/// Why something could not be done. Nothing has been changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No letter has this id, or an id that begins so.
    #[error("there is no dead letter {0}; `careq-sync dead-letters list --state all` shows all")]
    UnknownLetter(String),
    /// No job has this id, or an id that begins so.
    #[error("there is no replay job {0}; `careq-sync dead-letters jobs` shows all")]
    UnknownJob(String),
    /// Several ids begin so.
    #[error("several ids begin with {0}; give more of it")]
    Ambiguous(String),
    /// Nothing is acted on that was not named.
    #[error(
        "name letters by their ids or by a filter such as --clinic or --class, or say --all for every open letter"
    )]
    NothingNamed,
    /// Nothing to replay or discard.
    #[error(
        "no open dead letter matches; `careq-sync dead-letters list` with the same filter shows what there is"
    )]
    NothingMatches,
    /// Nothing to open again.
    #[error(
        "no discarded or superseded dead letter matches; `careq-sync dead-letters list --state discarded,superseded` shows all"
    )]
    NothingToReopen,
    /// The letter is settled, or under way.
    #[error("dead letter {0} is {1}, and only an open one can be changed")]
    NotOpen(Uuid, DeadLetterState),
    /// The job is at its end, or stands already as it was told to.
    #[error("replay job {0} is {1} already")]
    JobIs(Uuid, JobState),
    /// Nobody would know why, or nobody would read it.
    #[error(
        "a letter is revealed, discarded, or opened again with a reason of 1 to 500 characters, for those who ask later"
    )]
    Reason,
    /// More payloads than a person reads.
    #[error(
        "{} payloads were shown within a minute; try again in a minute",
        crate::letters::MAX_REVEALS_PER_MINUTE
    )]
    TooManyReveals,
    /// Zero, or more than a worker can do.
    #[error("a rate is from 1 to {} letters per second", crate::jobs::FASTEST_PER_SECOND)]
    Rate,
    /// The corrected body breaks field rules, as at the front door.
    #[error("the corrected body is refused: {}", sentences(.0))]
    Invalid(FieldErrors),
    /// A correction stays within its clinic.
    #[error("the corrected body must name the clinic {0}, as the letter does")]
    OtherClinic(String),
    /// The clinic of a correction does not exist.
    #[error("there is no clinic {0}; `careq-sync clinic list` shows all")]
    UnknownClinic(String),
    /// The letter's bytes do not say which kind of event they were to be.
    #[error("the letter does not say what kind of event it is; say it with --kind")]
    KindIsMissing,
    /// A correction stays of its kind.
    #[error("the letter is of the kind {0}, and so is a correction of it")]
    OtherKind(Kind),
    /// There is nothing corrected in it.
    #[error(
        "the body says what the letter says already; `careq-sync dead-letters replay {0}` tries it again as it is"
    )]
    NothingCorrected(Uuid),
    /// The same correction was made before.
    #[error(
        "this correction exists already as dead letter {0}, which is {1}; if it was given up, \
         `careq-sync dead-letters reopen {0} --reason …` opens it again, to be replayed"
    )]
    CorrectionExists(Uuid, DeadLetterState),
    /// The payload, or the clinic's event key, is sealed under a key that is not here.
    #[error("what is sealed cannot be opened: {0}")]
    Sealed(#[from] OpenError),
    /// The database's own.
    #[error("the database refused, and nothing was changed; where it only was busy, try again: {0}")]
    Database(#[from] DbErr),
}

fn sentences(errors: &FieldErrors) -> String {
    errors.values().flatten().map(String::as_str).collect::<Vec<_>>().join("; ")
}
