//! The parts that the bodies of answers share.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use careq_shared::clock;
use careq_shared::outcome::{ErrorCode, Failure, Outcome};
use careq_shared::records::FieldErrors;
use serde::Serialize;

/// The envelope of every success.
#[derive(Serialize)]
struct Envelope<'message, D> {
    success: bool,
    message: &'message str,
    data: D,
    timestamp: String,
}

/// A success with its `data`.
pub(crate) fn success(status: StatusCode, message: &str, data: impl Serialize) -> Response {
    let body = Envelope { success: true, message, data, timestamp: timestamp() };
    (status, Json(body)).into_response()
}

/// The current time in the format of the specification.
pub(crate) fn timestamp() -> String {
    clock::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The `error` member of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorDetail<'answer> {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'answer, str>,
    pub(crate) details: Cow<'answer, FieldErrors>,
}

impl<'answer> ErrorDetail<'answer> {
    /// An error that is not attributed to a field.
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'answer, str>>) -> Self {
        Self { code, message: message.into(), details: Cow::Owned(FieldErrors::new()) }
    }
}

impl From<Failure> for ErrorDetail<'_> {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code, failure.message)
    }
}

/// The `sync_status` member of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SyncStatus {
    Queued,
    Waiting,
    Synced,
    Updated,
    Unchanged,
    Failed,
}

impl From<&Outcome> for SyncStatus {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Created => Self::Synced,
            Outcome::Updated => Self::Updated,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Waiting(_) => Self::Waiting,
            Outcome::Retrying => Self::Queued,
            Outcome::Failed(_) => Self::Failed,
        }
    }
}

/// Adds a header to a response.
pub(crate) fn with_header(mut response: Response, name: &'static str, value: HeaderValue) -> Response {
    response.headers_mut().insert(HeaderName::from_static(name), value);
    response
}

/// Marks the answer to a repeated event or batch.
pub(crate) fn with_idempotent_replayed(response: Response) -> Response {
    with_header(response, "idempotent-replayed", HeaderValue::from_static("true"))
}
