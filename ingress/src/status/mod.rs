//! The status pages and `/health`. They read the database; a clinic sees only its own records.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod record;
mod stored_result;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use careq_http::ApiError;
use sea_orm::DbErr;
use serde::Deserialize;

/// The delivery in question, see `careq_shared::ids::batch_receipt` and `event_receipt`.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    receipt: Option<String>,
}

/// Extracts a part of the path or the query; 400 if it cannot be read.
#[derive(Debug)]
pub(crate) struct Readable<T>(T);

impl<S: Send + Sync, T: FromRequestParts<S>> FromRequestParts<S> for Readable<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let unreadable = |_| ApiError::invalid_request("The path or its query cannot be read");
        T::from_request_parts(parts, state).await.map(Self).map_err(unreadable)
    }
}

/// The database's message is not logged, since it may quote data.
fn database_error(_: DbErr) -> ApiError {
    ApiError::unavailable("The status cannot be read at the moment; events are still accepted")
        .with_cause("the database could not be read")
}
