//! Error responses, in the form of CareQ's API specification (section "Error Handling"). They contain neither payloads nor messages of
//! the database, which may quote one.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use careq_shared::database::renew_after;
use careq_shared::records::FieldErrors;
use careq_shared::refusal::{self, Refusal};
use sea_orm::DbErr;

use crate::admins::{Admin, Role};
use crate::error::Error;

/// The error for a text with a NUL character, which PostgreSQL cannot store.
pub(crate) const NUL: &str = "a text must not have a NUL character";

/// The code of an error, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidRequest,
    AuthenticationFailed,
    Forbidden,
    NotFound,
    Conflict,
    ValidationError,
    RateLimitExceeded,
    ServerError,
}

impl ErrorCode {
    pub(crate) const ALL: [Self; 8] = [
        Self::InvalidRequest,
        Self::AuthenticationFailed,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::ValidationError,
        Self::RateLimitExceeded,
        Self::ServerError,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::ServerError => "SERVER_ERROR",
        }
    }
}

/// An error response.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    details: FieldErrors,
    /// The cause, which is only logged.
    cause: Option<String>,
    /// Whether the database session failed, so that a retry on a new one may succeed.
    is_session_fault: bool,
}

/// Extension of a response: the request can be retried once if it only reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryOnce;

impl ApiError {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: FieldErrors::new(),
            cause: None,
            is_session_fault: false,
        }
    }

    pub(crate) fn authentication_failed() -> Self {
        let message = "The request needs the token of an admin, as `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed, message)
    }

    pub(crate) fn not_allowed(admin: &Admin) -> Self {
        let message =
            format!("This needs the role {}, and {} has the role {}", Role::Operator, admin.name, admin.role);
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
    }

    pub(crate) fn validation(details: FieldErrors) -> Self {
        let first =
            details.iter().find_map(|(name, sentences)| Some(format!("{name}: {}", sentences.first()?)));
        let message = first.unwrap_or_else(|| "A field breaks a rule".to_owned());
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ValidationError, message) }
    }

    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::validation(FieldErrors::from([(name.to_owned(), vec![message.into()])]))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, "There is no such path; /admin/docs/ shows all")
    }

    pub(crate) fn no_such_id() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorCode::NotFound,
            "The id in the path is no UUID, and nothing has it",
        )
    }

    pub(crate) fn overloaded() -> Self {
        Self::temporarily("Too many requests are being worked on; please send the request again")
    }

    pub(crate) fn timed_out() -> Self {
        let message = "The request took too long; look whether it was done, and send it again if not";
        Self { cause: Some("the request did not end in time".to_owned()), ..Self::temporarily(message) }
    }

    pub(crate) fn too_many_streams() -> Self {
        Self::temporarily("Too many jobs are being followed; please try again, or ask for the job itself")
    }

    fn temporarily(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServerError, message)
    }

    /// A database fault: 503 if a retry may succeed, otherwise 500. The cause is only logged.
    pub(crate) fn of_database(fault: &DbErr) -> Self {
        let refusal = Refusal::of(fault);
        renew_after(&refusal);
        let is_session_fault = refusal.is_of_the_session();
        let error = if refusal.is_passing() {
            let advice = refusal::advice(fault).map(|advice| format!(". {advice}")).unwrap_or_default();
            Self::temporarily(&format!(
                "The database cannot be used at the moment; look whether what you asked for was done before you ask \
                 again{advice}"
            ))
        } else {
            let message = "The database refused, or answered what this version does not understand";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, message)
        };
        let cause = match refusal {
            Refusal::NoConnection | Refusal::Lost => "the connection to the database was lost".to_owned(),
            Refusal::Refused { message, .. } => message,
            Refusal::NotUnderstood => "the database's answer could not be understood".to_owned(),
        };
        Self { cause: Some(cause), is_session_fault, ..error }
    }
}

impl From<Error> for ApiError {
    fn from(fault: Error) -> Self {
        let conflict = |message: String| Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message);
        let not_found = |message: &str| Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message);
        match fault {
            Error::UnknownLetter(_) => not_found("There is no such dead letter"),
            Error::UnknownJob(_) => not_found("There is no such replay job"),
            Error::NothingMatches => conflict("No open dead letter matches".to_owned()),
            Error::NothingToReopen => conflict("No discarded or superseded dead letter matches".to_owned()),
            Error::NoSelection => {
                Self::field("filter", "name letters by a filter, or say `all` for every open letter")
            }
            Error::NothingCorrected(_) => {
                conflict("The body says what the letter says already; replay the letter as it is".to_owned())
            }
            Error::NotOpen(..)
            | Error::WrongJobState(..)
            | Error::CorrectionExists(..)
            | Error::Sealed(_) => conflict(fault.to_string()),
            Error::Invalid(details) => Self::validation(details),
            Error::InvalidReason => Self::field("reason", fault.to_string()),
            Error::TooManyReveals => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimitExceeded, fault.to_string())
            }
            Error::InvalidRate => Self::field("rate_per_second", fault.to_string()),
            Error::OtherClinic(_) => Self::field("clinic_id", fault.to_string()),
            Error::UnknownClinic(clinic_id) => {
                Self::field("clinic_id", format!("there is no clinic {clinic_id}"))
            }
            Error::KindIsMissing => Self::field("kind", "the letter does not say what kind of event it is"),
            Error::OtherKind(_) => Self::field("kind", fault.to_string()),
            Error::Ambiguous(_) => Self::invalid(fault.to_string()),
            Error::Database(fault) => Self::of_database(&fault),
        }
    }
}

impl From<ApiError> for careq_http::ApiError {
    fn from(error: ApiError) -> Self {
        let ApiError { status, code, message, details, cause, is_session_fault } = error;
        let mut error = Self::new(status, code.as_str(), message).with_details(details);
        error = match status {
            StatusCode::TOO_MANY_REQUESTS => error.with_retry_after(60),
            StatusCode::SERVICE_UNAVAILABLE => error.with_retry_after(5),
            _ => error,
        };
        if let Some(cause) = cause {
            error = error.with_cause(cause);
        }
        if is_session_fault { error.with_extension(RetryOnce) } else { error }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        careq_http::ApiError::from(self).into_response()
    }
}
