//! The query of a status page, and the errors that all pages share.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use careq_http::ApiError;
use sea_orm::DbErr;
use serde::Deserialize;

/// The delivery in question, see `careq_shared::ids::batch_receipt` and `event_receipt`.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    pub(super) receipt: Option<String>,
}

/// The receipt of a request; `None` if none was sent.
pub(super) fn receipt(query: Result<Query<Receipt>, QueryRejection>) -> Result<Option<String>, ApiError> {
    query.map(|Query(Receipt { receipt })| receipt).map_err(|_| unreadable())
}

pub(super) fn unreadable() -> ApiError {
    ApiError::invalid_request("The path or its query cannot be read")
}

/// The database's message is not logged, since it may quote data.
pub(super) fn database_error(_: DbErr) -> ApiError {
    ApiError::unavailable("The status cannot be read at the moment; events are still accepted")
        .with_cause("the database could not be read")
}
