//! Errors of the operations. Each message says what to do instead, and none contains a payload.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::records::{FieldErrors, Kind};
use careq_shared::replay::JobState;
use careq_shared::seal::OpenError;
use sea_orm::DbErr;
use uuid::Uuid;

use crate::limits::{MAX_RATE_PER_SECOND, MAX_REASON_CHARS, MAX_REVEALS_PER_MINUTE};

/// The reason why an operation failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No dead letter has this id or prefix.
    #[error("there is no dead letter {0}; `careq-sync dead-letters list --state all` shows all")]
    UnknownLetter(String),
    /// No replay job has this id or prefix.
    #[error("there is no replay job {0}; `careq-sync dead-letters jobs` shows all")]
    UnknownJob(String),
    /// Several ids begin with this prefix.
    #[error("several ids begin with {0}; give more of it")]
    Ambiguous(String),
    /// Neither a filter nor all dead letters were given.
    #[error(
        "name letters by their ids or by a filter such as --clinic or --class, or say --all for every open letter"
    )]
    NoSelection,
    /// No open dead letter matches.
    #[error(
        "no open dead letter matches; `careq-sync dead-letters list` with the same filter shows what there is"
    )]
    NothingMatches,
    /// No discarded or superseded dead letter matches.
    #[error(
        "no discarded or superseded dead letter matches; `careq-sync dead-letters list --state discarded,superseded` shows all"
    )]
    NothingToReopen,
    /// The dead letter is settled, or a job replays it.
    #[error("dead letter {0} is {1}, and only an open one can be changed")]
    NotOpen(Uuid, DeadLetterState),
    /// The job is finished, or is already in the requested state.
    #[error("replay job {0} is {1} already")]
    WrongJobState(Uuid, JobState),
    /// The reason is empty or too long.
    #[error(
        "a letter is revealed, discarded, or opened again with a reason of 1 to {} characters, for those who ask later",
        MAX_REASON_CHARS
    )]
    InvalidReason,
    /// The actor has reached the limit of revealed payloads.
    #[error("{} payloads were shown within a minute; try again in a minute", MAX_REVEALS_PER_MINUTE)]
    TooManyReveals,
    /// The rate is zero or too high.
    #[error("a rate is from 1 to {} letters per second", MAX_RATE_PER_SECOND)]
    InvalidRate,
    /// The corrected body breaks field rules, which are those of the webhooks.
    #[error("the corrected body is refused: {}", sentences(.0))]
    Invalid(FieldErrors),
    /// The correction names another clinic than the dead letter.
    #[error("the corrected body must name the clinic {0}, as the letter does")]
    OtherClinic(String),
    /// The clinic of the correction does not exist.
    #[error("there is no clinic {0}; `careq-sync clinic list` shows all")]
    UnknownClinic(String),
    /// The kind of the event is unknown: the dead letter's bytes could not be read.
    #[error("the letter does not say what kind of event it is; say it with --kind")]
    KindIsMissing,
    /// The correction is of another kind than the dead letter.
    #[error("the letter is of the kind {0}, and so is a correction of it")]
    OtherKind(Kind),
    /// The corrected body equals the dead letter's.
    #[error(
        "the body says what the letter says already; `careq-sync dead-letters replay {0}` tries it again as it is"
    )]
    NothingCorrected(Uuid),
    /// The same correction exists, and is not open.
    #[error(
        "this correction exists already as dead letter {0}, which is {1}; if it was given up, \
         `careq-sync dead-letters reopen {0} --reason …` opens it again, to be replayed"
    )]
    CorrectionExists(Uuid, DeadLetterState),
    /// The payload or the clinic's event key is sealed under an unknown key, or damaged.
    #[error("what is sealed cannot be opened: {0}")]
    Sealed(#[from] OpenError),
    /// The database failed.
    #[error("the database refused, and nothing was changed; where it only was busy, try again: {0}")]
    Database(#[from] DbErr),
}

fn sentences(errors: &FieldErrors) -> String {
    errors.values().flatten().map(String::as_str).collect::<Vec<_>>().join("; ")
}
