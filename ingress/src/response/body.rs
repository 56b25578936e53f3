//! The parts that the bodies of answers share.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use careq_http::timestamp;
use careq_shared::outcome::{ErrorCode, Outcome};
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

/// The `error` member of an answer.
pub(crate) type ErrorDetail<'answer> = careq_http::ErrorDetail<'answer, ErrorCode>;

/// An error that is not attributed to a field.
pub(crate) fn error<'answer>(
    code: ErrorCode,
    message: impl Into<Cow<'answer, str>>,
) -> ErrorDetail<'answer> {
    ErrorDetail { code, message: message.into(), details: Cow::Owned(FieldErrors::new()) }
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
