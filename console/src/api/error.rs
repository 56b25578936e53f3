//! The error responses of the admin API. They contain neither payloads nor messages of the database, which may quote one.

use axum::Json;
use axum::http::StatusCode;
use careq_http::ApiError;
use careq_shared::database::renew_after;
use careq_shared::records::FieldErrors;
use careq_shared::refusal::{self, Refusal};
use careq_shared::words;
use sea_orm::DbErr;

use crate::admins::token::{Admin, Role};
use crate::error::Error;

/// The error for a text with a NUL character, which PostgreSQL cannot store.
pub(crate) const NUL: &str = "a text must not have a NUL character";

/// The `Retry-After` of the limit of revealed payloads, in seconds.
const REVEAL_RETRY_AFTER_S: u64 = 60;

/// The response of a handler.
pub(crate) type Answer<T> = Result<Json<T>, ApiError>;

/// Extension of a response: the request can be retried once if it only reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryOnce;

words! {
    /// The code of an error, for programs.
    ErrorCode {
        InvalidRequest = "INVALID_REQUEST",
        AuthenticationFailed = "AUTHENTICATION_FAILED",
        Forbidden = "FORBIDDEN",
        NotFound = "NOT_FOUND",
        Conflict = "CONFLICT",
        ValidationError = "VALIDATION_ERROR",
        RateLimitExceeded = "RATE_LIMIT_EXCEEDED",
        ServerError = "SERVER_ERROR",
    }
}

pub(crate) fn authentication_failed() -> ApiError {
    ApiError::authentication_failed(
        "The request needs the token of an admin, as `Authorization: Bearer TOKEN`",
    )
}

pub(crate) fn not_allowed(admin: &Admin) -> ApiError {
    let message =
        format!("This needs the role {}, and {} has the role {}", Role::Operator, admin.name, admin.role);
    ApiError::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden.as_str(), message)
}

/// 422. The message is the first of the details.
pub(crate) fn validation(details: FieldErrors) -> ApiError {
    let first = details.iter().find_map(|(name, sentences)| Some(format!("{name}: {}", sentences.first()?)));
    ApiError::validation(first.unwrap_or_else(|| "A field breaks a rule".to_owned()), details)
}

pub(crate) fn field(name: &str, message: impl Into<String>) -> ApiError {
    validation(FieldErrors::from([(name.to_owned(), vec![message.into()])]))
}

pub(crate) fn not_found(message: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, ErrorCode::NotFound.as_str(), message)
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, ErrorCode::Conflict.as_str(), message)
}

/// A database fault: 503 if a retry may succeed, otherwise 500. The cause is only logged.
pub(crate) fn from_database(fault: &DbErr) -> ApiError {
    let refusal = Refusal::classify(fault);
    renew_after(&refusal);
    let error = if refusal.is_passing() {
        let advice = refusal::advice(fault).map(|advice| format!(". {advice}")).unwrap_or_default();
        ApiError::unavailable(format!(
            "The database cannot be used at the moment; look whether what you asked for was done before you ask again{advice}"
        ))
    } else {
        ApiError::server_error("The database refused, or answered what this version does not understand")
    };
    let error = if refusal.is_of_the_session() { error.with_extension(RetryOnce) } else { error };
    error.with_cause(match refusal {
        Refusal::NoConnection | Refusal::Lost => "the connection to the database was lost".to_owned(),
        Refusal::Refused { message, .. } => message,
        Refusal::NotUnderstood => "the database's answer could not be understood".to_owned(),
    })
}

impl From<Error> for ApiError {
    fn from(fault: Error) -> Self {
        match fault {
            Error::UnknownLetter(_) => not_found("There is no such dead letter"),
            Error::UnknownJob(_) => not_found("There is no such replay job"),
            Error::NothingMatches => conflict("No open dead letter matches"),
            Error::NothingToReopen => conflict("No discarded or superseded dead letter matches"),
            Error::NoSelection => {
                field("filter", "name letters by a filter, or say `all` for every open letter")
            }
            Error::NothingCorrected(_) => {
                conflict("The body says what the letter says already; replay the letter as it is")
            }
            Error::NotOpen(..)
            | Error::WrongJobState(..)
            | Error::CorrectionExists(..)
            | Error::Sealed(_) => conflict(fault.to_string()),
            Error::Invalid(details) => validation(details),
            Error::InvalidReason => field("reason", fault.to_string()),
            Error::TooManyReveals => {
                let code = ErrorCode::RateLimitExceeded.as_str();
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, code, fault.to_string());
                error.with_retry_after(REVEAL_RETRY_AFTER_S)
            }
            Error::InvalidRate => field("rate_per_second", fault.to_string()),
            Error::OtherClinic(_) => field("clinic_id", fault.to_string()),
            Error::UnknownClinic(clinic_id) => field("clinic_id", format!("there is no clinic {clinic_id}")),
            Error::KindIsMissing => field("kind", "the letter does not say what kind of event it is"),
            Error::OtherKind(_) => field("kind", fault.to_string()),
            Error::Ambiguous(_) => Self::invalid_request(fault.to_string()),
            Error::Database(fault) => from_database(&fault),
        }
    }
}
