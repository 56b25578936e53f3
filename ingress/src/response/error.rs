//! Answers to what could not be accepted or applied, in the specification's form (section "Error Handling"). A problem
//! must never repeat what was sent.

use std::any::Any;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use careq_http::{BodyFault, Explanation};
use careq_shared::ids::EventId;
use careq_shared::json::{Document, NotAnObject};
use careq_shared::outcome::{ErrorCode, Failure};
use careq_shared::records::FieldErrors;
use careq_shared::redact;
use serde::Serialize;

use crate::answer;
use crate::overload::Overload;

/// After so many seconds it is worth trying again; CareQ's own first delay.
const TRY_AGAIN_AFTER_S: u64 = 5;

/// An error answer.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    details: FieldErrors,
    event_id: Option<EventId>,
    hint: Hint,
    /// For the error log alone. In a box: most problems have none.
    note: Option<Box<Note>>,
}

/// What the error log says besides.
#[derive(Debug, Clone, Default)]
struct Note {
    cause: Option<String>,
    /// The shape of what was sent.
    payload: Option<String>,
    careq_id: Option<i64>,
}

/// What the error log may know of a body.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    payload: String,
    careq_id: Option<i64>,
}

impl Shape {
    pub(crate) fn of(body: &Document) -> Self {
        Self { payload: redact::of_document(body), careq_id: redact::careq_id(body) }
    }
}

/// A header that tells the caller what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    None,
    /// RFC 9110, 11.6.1.
    Challenge,
    /// RFC 9110, 10.2.3.
    RetryAfter {
        seconds: u64,
    },
}

impl Problem {
    fn new(status: StatusCode, code: ErrorCode, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            details: FieldErrors::new(),
            event_id: None,
            hint: Hint::None,
            note: None,
        }
    }

    pub(crate) fn authentication_failed() -> Self {
        let message = "The request could not be authenticated";
        Self {
            hint: Hint::Challenge,
            ..Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed, message)
        }
    }

    pub(crate) fn validation(details: FieldErrors) -> Self {
        let problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ValidationError, "Validation failed");
        Self { details, ..problem }
    }

    pub(crate) fn record_not_found(details: FieldErrors) -> Self {
        Self { details, ..Self::new(StatusCode::NOT_FOUND, ErrorCode::RecordNotFound, "Record not found") }
    }

    pub(crate) fn no_such(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::RecordNotFound, what)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::DuplicateRecord, message)
    }

    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn of_body(fault: BodyFault) -> Self {
        let status = match fault {
            BodyFault::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyFault::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            BodyFault::Incomplete | BodyFault::NotJson => StatusCode::BAD_REQUEST,
            BodyFault::NoRoom => return Overload::Bodies.refuse(),
        };
        Self::new(status, ErrorCode::InvalidRequest, &fault.to_string())
    }

    /// A message that no broker takes: sent again it would be as large.
    pub(crate) fn too_large() -> Self {
        let message = "What was sent is too large for the message broker; send it in smaller parts";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn unknown_path() -> Self {
        let message = "There is no such path; the API begins at /api/v1/careq-sync/";
        Self::new(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn wrong_method() -> Self {
        let message = "This path does not take this method; Allow names those that it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn rate_limit_exceeded(retry_after_s: u64) -> Self {
        let message = "Too many requests; try again after the number of seconds in Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimitExceeded, message)
            .retry_after(retry_after_s)
    }

    pub(crate) fn server_error(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, message)
    }

    /// The broker did not confirm the event. If it took it all the same, it is recognised when it is sent again.
    pub(crate) fn unavailable() -> Self {
        Self::temporarily("The request could not be accepted; please send it again")
    }

    /// More requests, or more batches, are in hand than this process takes at once.
    pub(crate) fn overloaded() -> Self {
        Self::temporarily("Too many requests are being worked on; please send the request again")
    }

    /// The request was given up at its deadline. Nothing was promised; an event may have been accepted all the same, and is then
    /// recognised when it is sent again.
    pub(crate) fn hung() -> Self {
        Self::temporarily("The request took too long; please send it again")
            .noted(|note| note.cause = Some("the request did not end in time".to_owned()))
    }

    pub(crate) fn not_ready() -> Self {
        Self::temporarily("The service is starting; please send the request again")
    }

    /// A status page needs the database; a webhook never does.
    pub(crate) fn no_database() -> Self {
        Self::temporarily("The status cannot be read at the moment; events are still accepted")
            .noted(|note| note.cause = Some("the database could not be read".to_owned()))
    }

    fn temporarily(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServerError, message)
            .retry_after(TRY_AGAIN_AFTER_S)
    }

    /// A finally failed event.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        let status = answer::failure_status(failure.code);
        let code = if status == StatusCode::CONFLICT { failure.code } else { ErrorCode::ServerError };
        Self::new(status, code, &failure.message)
    }

    /// Names the event, which has been accepted nevertheless.
    pub(crate) fn of_event(self, event_id: &EventId) -> Self {
        Self { event_id: Some(event_id.clone()), ..self }
    }

    /// Notes for the error log why it happened: the whole chain of errors, none of which may quote data.
    pub(crate) fn because(self, error: &dyn std::error::Error) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        let cause = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        self.noted(|note| note.cause = Some(cause))
    }

    /// Notes for the error log what was sent, without saying it.
    pub(crate) fn about(self, body: &Document) -> Self {
        self.of_shape(Shape::of(body))
    }

    /// The same of what could not be read.
    pub(crate) fn about_no_object(self, bytes: usize, fault: NotAnObject) -> Self {
        self.noted(|note| note.payload = Some(redact::of_no_object(bytes, fault)))
    }

    /// The same of what has been let go.
    pub(crate) fn of_shape(self, Shape { payload, careq_id }: Shape) -> Self {
        self.noted(|note| (note.payload, note.careq_id) = (Some(payload), careq_id))
    }

    fn noted(mut self, write: impl FnOnce(&mut Note)) -> Self {
        write(self.note.get_or_insert_default());
        self
    }

    /// Nothing where there is nothing to look into.
    fn explanation(&self) -> Option<Explanation> {
        let is_worth_a_line = match self.status {
            // Whoever it was, nothing that was sent is worth a line of the error log.
            StatusCode::UNAUTHORIZED => false,
            StatusCode::INTERNAL_SERVER_ERROR => true,
            _ => self.note.is_some(),
        };
        let Note { cause, payload, careq_id } = self.note.as_deref().cloned().unwrap_or_default();
        is_worth_a_line.then(|| Explanation {
            code: self.code.as_str(),
            reason: self.message.clone(),
            details: serde_json::to_string(&self.details).unwrap_or_default(),
            cause,
            payload,
            careq_id,
        })
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { hint: Hint::RetryAfter { seconds }, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            success: false,
            message: &self.message,
            error: ErrorBody { code: self.code, message: &self.message, details: &self.details },
            // The specification's own example of a 422 has the fields here, its section on errors in `details`.
            errors: (self.code == ErrorCode::ValidationError).then_some(&self.details),
            event_id: self.event_id.as_ref(),
            timestamp: answer::timestamp(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(explanation) = self.explanation() {
            response.extensions_mut().insert(explanation);
        }
        match self.hint {
            Hint::None => None,
            Hint::Challenge => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Hint::RetryAfter { seconds } => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds))
            }
        };
        response
    }
}

#[derive(Serialize)]
struct Body<'problem> {
    success: bool,
    message: &'problem str,
    error: ErrorBody<'problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'problem FieldErrors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'problem EventId>,
    timestamp: String,
}

#[derive(Serialize)]
struct ErrorBody<'problem> {
    code: ErrorCode,
    message: &'problem str,
    details: &'problem FieldErrors,
}

/// The answer when our own code fails. What it said stays out of the answer and of the log, for it may quote data; where it was
/// is logged by the hook of `careq_shared::telemetry`.
pub(crate) fn of_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::server_error("Internal server error").into_response()
}
