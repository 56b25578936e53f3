//! A body from its first byte to its last, as a JSON object. It must never be read before the caller is known.

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use careq_http::{BodyLimits, Share};
use careq_shared::json::Document;

use crate::problem::Problem;

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
pub(crate) fn document(headers: &HeaderMap, body: &[u8]) -> Result<Document, Problem> {
    careq_http::require_json(headers).map_err(Problem::of_body)?;
    Document::parse(body)
        .map_err(|fault| Problem::invalid(&fault.to_string()).about_no_object(body.len(), fault))
}
