//! Reads and parses request bodies.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use careq_http::{BodyLimits, Reservation};
use careq_shared::json::Document;

use crate::response::error::ApiError;

/// Reads the whole body into reserved memory.
pub(crate) async fn body<R: Reservation>(
    reservation: R,
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, R), ApiError> {
    careq_http::read_body_into(reservation, headers, body, limits).await.map_err(ApiError::of_body)
}

/// Parses the body as a JSON object. `Content-Type` must be JSON.
pub(crate) fn document(headers: &HeaderMap, body: &[u8]) -> Result<Document, ApiError> {
    careq_http::require_json(headers).map_err(ApiError::of_body)?;
    Document::parse(body)
        .map_err(|error| ApiError::invalid_request(&error.to_string()).with_unparsed_body(body.len(), error))
}
