//! Reasons why a clinic cannot be changed, each with the command that helps.

use careq_shared::clinics::CredentialKind;
use careq_shared::seal::KeysError;
use sea_orm::DbErr;

/// The reason why a clinic could not be changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ClinicError {
    #[error("clinic {0} exists already; `careq-sync clinic rotate {0}` gives it a new token")]
    Exists(String),
    #[error("there is no clinic {0}; `careq-sync clinic list` shows all")]
    Unknown(String),
    #[error("a clinic_id has 1 to 100 characters (API specification, field tables)")]
    Name,
    #[error("clinic {0} has one already; `careq-sync clinic rotate {0} {1}` gives it a new one")]
    IsSet(String, CredentialKind),
    #[error("clinic {0} has none; `careq-sync clinic set {0} {1}` gives it one")]
    IsNotSet(String, CredentialKind),
    #[error(
        "a token is always required (API specification, \"Authentication\"); `clinic disable` refuses all requests"
    )]
    TokenIsRequired,
    #[error(
        "another clinic has this token, and a token must be unique per clinic (API specification, \"Authentication\")"
    )]
    TokenIsTaken,
    #[error("the given secret must have at least {0} characters, visible ASCII and nothing else")]
    Weak(usize),
    #[error("a rate and a burst must be at most 2147483647")]
    TooLarge,
    /// The end of the overlap is outside of the calendar.
    #[error("the overlap is too long; an overlap of weeks is already a long one")]
    Overlap,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
}
