//! Error answers in the form of the API specification ("Error Handling"). An error answer does not repeat the request's data.

use std::any::Any;
use std::borrow::Cow;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use careq_http::{BodyError, ErrorLogEntry};
use careq_shared::ids::EventId;
use careq_shared::json::{Document, NotAnObject};
use careq_shared::outcome::{ErrorCode, Failure};
use careq_shared::records::FieldErrors;
use careq_shared::redact;
use careq_shared::telemetry::metrics::{TurnedAway, metrics};
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::response::body::{ErrorDetail, timestamp};

/// `Retry-After` of a 503, in seconds; CareQ's own first delay.
const RETRY_AFTER_S: u64 = 5;

/// An error answer.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    details: FieldErrors,
    event_id: Option<EventId>,
    advice: Option<Advice>,
    /// For the error log only. Boxed, since most errors have none.
    log: Option<Box<LogDetails>>,
}

/// The members of an error log line that the answer does not have.
#[derive(Debug, Clone, Default)]
struct LogDetails {
    cause: Option<String>,
    /// The shape of the payload, without values.
    payload: Option<String>,
    careq_id: Option<i64>,
}

/// The header that advises the caller what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// `WWW-Authenticate` (RFC 9110, 11.6.1).
    Challenge,
    /// `Retry-After` in seconds (RFC 9110, 10.2.3).
    RetryAfter(u64),
}

/// The shape of a body, without values, for the error log.
#[derive(Debug, Clone)]
pub(crate) struct PayloadShape {
    payload: String,
    careq_id: Option<i64>,
}

impl PayloadShape {
    pub(crate) fn of(body: &Document) -> Self {
        Self { payload: redact::of_document(body), careq_id: redact::careq_id(body) }
    }
}

/// The limit that a request exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overload {
    /// `ingress.max_requests` are in flight.
    Requests,
    /// The memory budget has no bytes for a large body or a batch report.
    Bodies,
    /// A large body got no permit in time. Permits are held until the confirm, so a slow broker exhausts them, too.
    Turns,
}

impl ApiError {
    fn new(status: StatusCode, code: ErrorCode, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            details: FieldErrors::new(),
            event_id: None,
            advice: None,
            log: None,
        }
    }

    /// 401 (RFC 9110, 11.6.1).
    pub(crate) fn authentication_failed() -> Self {
        let message = "The request could not be authenticated";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed, message)
            .with_advice(Advice::Challenge)
    }

    pub(crate) fn validation(details: FieldErrors) -> Self {
        let error =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ValidationError, "Validation failed");
        Self { details, ..error }
    }

    pub(crate) fn record_not_found(details: FieldErrors) -> Self {
        Self { details, ..Self::not_found("Record not found") }
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::RecordNotFound, message)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::DuplicateRecord, message)
    }

    pub(crate) fn invalid_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn of_body(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Incomplete | BodyError::NotJson => StatusCode::BAD_REQUEST,
            BodyError::NoMemory => return Self::overloaded(Overload::Bodies),
        };
        Self::new(status, ErrorCode::InvalidRequest, &error.to_string())
    }

    /// 413: the broker does not take a message of this size, so a retry cannot succeed.
    pub(crate) fn too_large_for_broker() -> Self {
        let message = "The request is too large for the message broker; send it in smaller parts";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn unknown_path() -> Self {
        let message = "There is no such path; the API begins at /api/v1/careq-sync/";
        Self::new(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "This path does not take this method; the Allow header lists those that it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn rate_limit_exceeded(retry_after_s: u64) -> Self {
        let message = "Too many requests; try again after the number of seconds in Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimitExceeded, message)
            .with_advice(Advice::RetryAfter(retry_after_s))
    }

    pub(crate) fn server_error(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, message)
    }

    /// 503: the broker did not confirm the event. If the event was stored nevertheless, a retry is recognised as a duplicate.
    pub(crate) fn broker_unavailable() -> Self {
        Self::unavailable("The request could not be accepted; please send it again")
    }

    /// 503: a limit of this process is reached. Counted by limit, so that an operator can see which one.
    pub(crate) fn overloaded(overload: Overload) -> Self {
        let full = match overload {
            Overload::Requests => "requests",
            Overload::Bodies => "bodies",
            Overload::Turns => "turns",
        };
        metrics().turned_away_requests.get_or_create(&TurnedAway { full }).inc();
        Self::unavailable("Too many requests are in progress; please send the request again")
    }

    /// 503: the request exceeded its deadline. The event may have been accepted; a retry is then recognised as a duplicate.
    pub(crate) fn timed_out() -> Self {
        Self::unavailable("The request took too long; please send it again")
            .with_log(|log| log.cause = Some("the request did not end in time".to_owned()))
    }

    pub(crate) fn not_ready() -> Self {
        Self::unavailable("The service is starting; please send the request again")
    }

    /// 503 of a status page. Webhooks do not need the database.
    pub(crate) fn database_unavailable() -> Self {
        Self::unavailable("The status cannot be read at the moment; events are still accepted")
            .with_log(|log| log.cause = Some("the database could not be read".to_owned()))
    }

    fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServerError, message)
            .with_advice(Advice::RetryAfter(RETRY_AFTER_S))
    }

    /// The final failure of an event: 409 if the caller can correct it, else 500.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        match failure.code {
            ErrorCode::DuplicateRecord => Self::conflict(&failure.message),
            _ => Self::server_error(&failure.message),
        }
    }

    /// Adds the id of the event, which was accepted despite the error.
    pub(crate) fn with_event(self, event_id: &EventId) -> Self {
        Self { event_id: Some(event_id.clone()), ..self }
    }

    /// Adds an error and its sources to the log line. Their texts must not contain request data.
    pub(crate) fn with_cause(self, error: &dyn std::error::Error) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        let cause = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        self.with_log(|log| log.cause = Some(cause))
    }

    /// Adds the shape of a body to the log line.
    pub(crate) fn with_document(self, body: &Document) -> Self {
        self.with_payload_shape(PayloadShape::of(body))
    }

    /// Adds the size and the fault of a body that is not a JSON object to the log line.
    pub(crate) fn with_unparsed_body(self, body_bytes: usize, error: NotAnObject) -> Self {
        self.with_log(|log| log.payload = Some(redact::of_no_object(body_bytes, error)))
    }

    /// Adds the shape of a body that has been freed to the log line.
    pub(crate) fn with_payload_shape(self, PayloadShape { payload, careq_id }: PayloadShape) -> Self {
        self.with_log(|log| (log.payload, log.careq_id) = (Some(payload), careq_id))
    }

    fn with_log(mut self, write: impl FnOnce(&mut LogDetails)) -> Self {
        write(self.log.get_or_insert_default());
        self
    }

    fn with_advice(self, advice: Advice) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The line of the error log. Errors without log details have none, except for 500.
    fn log_entry(&self) -> Option<ErrorLogEntry> {
        let is_logged = match self.status {
            // A client that has not authenticated must not be able to fill the error log.
            StatusCode::UNAUTHORIZED => false,
            StatusCode::INTERNAL_SERVER_ERROR => true,
            _ => self.log.is_some(),
        };
        if !is_logged {
            return None;
        }
        #[expect(clippy::expect_used, reason = "a map from text to lists of texts is always JSON")]
        let details = serde_json::to_string(&self.details).expect("the details are JSON");
        let log = self.log.as_deref();
        Some(ErrorLogEntry {
            code: self.code.as_str(),
            reason: self.message.clone(),
            details,
            cause: log.and_then(|log| log.cause.clone()),
            payload: log.and_then(|log| log.payload.clone()),
            careq_id: log.and_then(|log| log.careq_id),
        })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            success: false,
            message: &self.message,
            error: ErrorDetail {
                code: self.code,
                message: Cow::Borrowed(&self.message),
                details: Cow::Borrowed(&self.details),
            },
            // The specification's example of a 422 has the fields here, its section on errors has them in `details`.
            errors: (self.code == ErrorCode::ValidationError).then_some(&self.details),
            event_id: self.event_id.as_ref(),
            timestamp: timestamp(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(entry) = self.log_entry() {
            response.extensions_mut().insert(entry);
        }
        let header = self.advice.map(|advice| match advice {
            Advice::Challenge => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Advice::RetryAfter(seconds) => (RETRY_AFTER, HeaderValue::from(seconds)),
        });
        response.headers_mut().extend(header);
        response
    }
}

#[skip_serializing_none]
#[derive(Serialize)]
struct Body<'error> {
    success: bool,
    message: &'error str,
    error: ErrorDetail<'error>,
    errors: Option<&'error FieldErrors>,
    event_id: Option<&'error EventId>,
    timestamp: String,
}

/// The answer after a panic. The panic message may quote data, so it is neither answered nor logged; the panic hook of
/// `careq_shared::telemetry` logs the location.
pub(crate) fn panic_response(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::server_error("Internal server error").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_duplicate_is_a_conflict() {
        let status = |code| ApiError::of_failure(&Failure { code, message: String::new() }).status;
        assert_eq!(status(ErrorCode::DuplicateRecord), StatusCode::CONFLICT);
        assert_eq!(status(ErrorCode::ValidationError), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn errors_before_authentication_are_not_in_the_error_log() {
        let cause = std::io::Error::other("cause");
        assert!(ApiError::authentication_failed().with_cause(&cause).log_entry().is_none());
        assert!(ApiError::conflict("conflict").log_entry().is_none());
        let entry = ApiError::conflict("conflict").with_cause(&cause).log_entry().unwrap();
        assert_eq!(entry.cause.as_deref(), Some("cause"));
    }
}
