//! A body from its first byte to its last, within a size and a time. It must never be read before the caller is known, nor
//! into more memory than its limit.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use careq_shared::json;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    pub(crate) within: Duration,
}

/// Reads the whole body.
pub(crate) async fn body(headers: &HeaderMap, mut body: Body, limits: BodyLimits) -> Result<Bytes, Problem> {
    let reading = async {
        if let Err(problem) = check_length(headers, limits) {
            discard(&mut body, limits).await;
            return Err(problem);
        }
        match Limited::new(&mut body, limits.bytes).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(fault) if fault.is::<LengthLimitError>() => {
                discard(&mut body, limits).await;
                Err(Problem::too_large(limits.bytes))
            }
            Err(_) => Err(Problem::invalid("The body ended before it was complete")),
        }
    };
    tokio::time::timeout(limits.within, reading)
        .await
        .unwrap_or_else(|_| Err(Problem::too_slow(limits.within)))
}

/// Reads on without keeping anything: a client that is still sending when the connection closes never sees its answer.
async fn discard(body: &mut Body, limits: BodyLimits) {
    let mut left = limits.bytes.saturating_mul(4);
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

fn check_length(headers: &HeaderMap, limits: BodyLimits) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.bytes as u64) {
        return Err(Problem::too_large(limits.bytes));
    }
    Ok(())
}

/// Parses the body as a JSON object, if its head says that it is one.
pub(crate) fn json_object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Problem> {
    require_json(headers)?;
    json::object(body).map_err(|reason| Problem::invalid(&reason.to_string()))
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    if is_json && parts.all(is_utf8) {
        return Ok(());
    }
    Err(Problem::invalid("Content-Type must be application/json in UTF-8"))
}
