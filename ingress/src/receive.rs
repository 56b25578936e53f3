//! A body from its first byte to its last, as a JSON object. It must never be read before the caller is known.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use careq_http::{BodyLimits, Share};
use careq_shared::json;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Reads the whole body.
pub(crate) async fn body(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, Problem> {
    careq_http::body(headers, body, limits).await.map_err(Problem::of_body)
}

/// Reads the whole body into a shared room.
pub(crate) async fn body_into<S: Share>(
    share: S,
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, S), Problem> {
    careq_http::body_into(share, headers, body, limits).await.map_err(Problem::of_body)
}

/// Parses the body as a JSON object, if its head says that it is one.
pub(crate) fn json_object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Problem> {
    careq_http::require_json(headers).map_err(Problem::of_body)?;
    json::object(body).map_err(|reason| Problem::invalid(&reason.to_string()))
}
