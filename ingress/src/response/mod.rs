//! Builds answers to callers; bodies from callers are in [`crate::receive`], and results from workers in [`crate::reply`]. The parts that
//! all answers share are here.

pub(crate) mod batch_report;
pub(crate) mod error;
pub(crate) mod outcome;

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use careq_http::timestamp;
use careq_shared::outcome::{ErrorCode, Outcome};
use careq_shared::records::FieldErrors;
use serde::Serialize;
use utoipa::ToSchema;

/// The envelope of every success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope<'message, D> {
    #[schema(schema_with = careq_http::always::<true>)]
    success: bool,
    /// A message for a person.
    message: &'message str,
    #[schema(inline)]
    data: D,
    /// The time of the answer.
    #[schema(format = DateTime)]
    timestamp: String,
}

/// A success with its `data`.
pub(crate) fn success(status: StatusCode, message: &str, data: impl Serialize) -> Response {
    (status, Json(Envelope { success: true, message, data, timestamp: timestamp() })).into_response()
}

/// The `error` member of an answer.
pub(crate) type ErrorDetail<'answer> = careq_http::ErrorDetail<'answer, ErrorCode>;

/// An error that is not attributed to a field.
pub(crate) fn error_detail<'answer>(
    code: ErrorCode,
    message: impl Into<Cow<'answer, str>>,
) -> ErrorDetail<'answer> {
    ErrorDetail { code, message: message.into(), details: Cow::Owned(FieldErrors::new()) }
}

/// The `sync_status` member of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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

/// Marks the answer to a repeated event or batch.
pub(crate) fn with_idempotent_replayed(mut response: Response) -> Response {
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}
