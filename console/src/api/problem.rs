//! Answers to what could not be done, in the form of CareQ's API specification (section "Error Handling"). A problem must never
//! repeat a payload, nor the database's own words: they may quote one.

use std::any::Any;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use careq_http::{BodyError, ErrorLogEntry};
use careq_shared::clock;
use careq_shared::database::renew_after;
use careq_shared::records::FieldErrors;
use careq_shared::refusal::{self, Refusal};
use chrono::SecondsFormat;
use sea_orm::DbErr;
use serde_json::json;

use crate::Error;
use crate::admins::{Admin, Role};

/// What went wrong, in a word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidRequest,
    AuthenticationFailed,
    Forbidden,
    NotFound,
    Conflict,
    ValidationError,
    RateLimitExceeded,
    ServerError,
}

impl Code {
    pub(super) const ALL: [Self; 8] = [
        Self::InvalidRequest,
        Self::AuthenticationFailed,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::ValidationError,
        Self::RateLimitExceeded,
        Self::ServerError,
    ];

    pub(super) const fn as_str(self) -> &'static str {
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

/// An error answer.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    details: FieldErrors,
    /// For the error log alone.
    cause: Option<String>,
    /// The session with the database was to blame; a new one may do the same.
    is_of_the_session: bool,
}

/// In the extensions of an answer: what only reads can be done once more at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnceMore;

impl Problem {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: FieldErrors::new(),
            cause: None,
            is_of_the_session: false,
        }
    }

    pub(super) fn authentication_failed() -> Self {
        let message = "The request needs the token of an admin, as `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, Code::AuthenticationFailed, message)
    }

    pub(super) fn not_allowed(admin: &Admin) -> Self {
        let message =
            format!("This needs the role {}, and {} has the role {}", Role::Operator, admin.name, admin.role);
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, message)
    }

    pub(super) fn validation(details: FieldErrors) -> Self {
        let first =
            details.iter().find_map(|(name, sentences)| Some(format!("{name}: {}", sentences.first()?)));
        let message = first.unwrap_or_default();
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::ValidationError, message) }
    }

    pub(super) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::validation(FieldErrors::from([(name.to_owned(), vec![message.into()])]))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, message)
    }

    pub(super) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "There is no such path; /admin/docs/ shows all")
    }

    pub(super) fn no_such_id() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "The id in the path is no UUID, and nothing has it")
    }

    pub(super) fn wrong_method() -> Self {
        let message = "This path does not take this method; Allow names those that it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest, message)
    }

    pub(super) fn overloaded() -> Self {
        Self::temporarily("Too many requests are being worked on; please send the request again")
    }

    pub(super) fn hung() -> Self {
        let message = "The request took too long; look whether it was done, and send it again if not";
        Self { cause: Some("the request did not end in time".to_owned()), ..Self::temporarily(message) }
    }

    pub(super) fn too_many_streams() -> Self {
        Self::temporarily("Too many jobs are being followed; please try again, or ask for the job itself")
    }

    fn temporarily(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::ServerError, message)
    }

    pub(super) fn of_body(fault: BodyError) -> Self {
        let status = match fault {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            // As the front door has it.
            BodyError::NotJson | BodyError::Incomplete => StatusCode::BAD_REQUEST,
            BodyError::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, Code::InvalidRequest, fault.to_string())
    }

    /// Whether it is worth another try; the cause is for the log.
    pub(super) fn of_database(fault: &DbErr) -> Self {
        let refusal = Refusal::of(fault);
        renew_after(&refusal);
        let is_of_the_session = refusal.is_of_the_session();
        let problem = if refusal.is_passing() {
            let advice = refusal::advice(fault).map(|advice| format!(". {advice}")).unwrap_or_default();
            Self::temporarily(&format!(
                "The database cannot be used at the moment; look whether what you asked for was done before you ask \
                 again{advice}"
            ))
        } else {
            let message = "The database refused, or answered what this version does not understand";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::ServerError, message)
        };
        let cause = match refusal {
            Refusal::NoConnection | Refusal::Lost => "the connection to the database was lost".to_owned(),
            Refusal::Refused { message, .. } => message,
            Refusal::NotUnderstood => "the database's answer could not be understood".to_owned(),
        };
        Self { cause: Some(cause), is_of_the_session, ..problem }
    }
}

impl From<Error> for Problem {
    fn from(fault: Error) -> Self {
        let conflict = |message: String| Self::new(StatusCode::CONFLICT, Code::Conflict, message);
        let not_found = |message: &str| Self::new(StatusCode::NOT_FOUND, Code::NotFound, message);
        match fault {
            Error::UnknownLetter(_) => not_found("There is no such dead letter"),
            Error::UnknownJob(_) => not_found("There is no such replay job"),
            Error::NothingMatches => conflict("No open dead letter matches".to_owned()),
            Error::NothingToReopen => conflict("No discarded or superseded dead letter matches".to_owned()),
            Error::NothingNamed => {
                Self::field("filter", "name letters by a filter, or say `all` for every open letter")
            }
            Error::NothingCorrected(_) => {
                conflict("The body says what the letter says already; replay the letter as it is".to_owned())
            }
            Error::NotOpen(..) | Error::JobIs(..) | Error::CorrectionExists(..) | Error::Sealed(_) => {
                conflict(fault.to_string())
            }
            Error::Invalid(details) => Self::validation(details),
            Error::Reason => Self::field("reason", fault.to_string()),
            Error::TooManyReveals => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimitExceeded, fault.to_string())
            }
            Error::Rate => Self::field("rate_per_second", fault.to_string()),
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, message, details, cause, is_of_the_session } = self;
        let body = json!({
            "success": false,
            "error": { "code": code.as_str(), "message": message, "details": details },
            "timestamp": clock::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        });
        let hint: Option<(HeaderName, HeaderValue)> = match status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            StatusCode::TOO_MANY_REQUESTS => Some((RETRY_AFTER, HeaderValue::from_static("60"))),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, HeaderValue::from_static("5"))),
            _ => None,
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().extend(hint);
        if is_of_the_session {
            response.extensions_mut().insert(OnceMore);
        }
        if cause.is_some() || status == StatusCode::INTERNAL_SERVER_ERROR {
            let details = String::new();
            let explanation = ErrorLogEntry {
                code: code.as_str(),
                reason: message,
                details,
                cause,
                payload: None,
                careq_id: None,
            };
            response.extensions_mut().insert(explanation);
        }
        response
    }
}

/// The answer when our own code fails. What it said stays out of the answer and of the log, for it may quote data; where it was
/// is logged by the hook of `careq_shared::telemetry`.
pub(super) fn of_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    let message = "Internal server error";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::ServerError, message).into_response()
}
