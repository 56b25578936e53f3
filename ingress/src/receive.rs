//! Reads request bodies.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use careq_http::{ApiError, BodyLimits, Reservation};

use crate::response::error;

/// Reads the whole body into reserved memory.
pub(crate) async fn body<R: Reservation>(
    reservation: R,
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, R), ApiError> {
    careq_http::read_body_into(reservation, headers, body, limits).await.map_err(error::of_body)
}
