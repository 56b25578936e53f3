//! A body from its first byte to its last, within a size and a time. It must never be read before the caller is known, nor
//! into more memory than its limit.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest.
    pub bytes: usize,
    /// How long it may take.
    pub within: Duration,
}

/// Why a body could not be taken; each as a sentence for who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// 413
    #[error("The body is larger than {0} bytes")]
    TooLarge(usize),
    /// 408
    #[error("The body was not complete within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// 400
    #[error("The body ended before it was complete")]
    Incomplete,
    /// 400
    #[error("Content-Type must be application/json in UTF-8")]
    NotJson,
}

/// Reads the whole body.
///
/// # Errors
/// See [`BodyFault`].
pub async fn body(headers: &HeaderMap, mut body: Body, limits: BodyLimits) -> Result<Bytes, BodyFault> {
    let reading = async {
        if let Err(fault) = check_length(headers, limits) {
            discard(&mut body, limits).await;
            return Err(fault);
        }
        match Limited::new(&mut body, limits.bytes).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(fault) if fault.is::<LengthLimitError>() => {
                discard(&mut body, limits).await;
                Err(BodyFault::TooLarge(limits.bytes))
            }
            Err(_) => Err(BodyFault::Incomplete),
        }
    };
    tokio::time::timeout(limits.within, reading).await.unwrap_or(Err(BodyFault::TooSlow(limits.within)))
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

fn check_length(headers: &HeaderMap, limits: BodyLimits) -> Result<(), BodyFault> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.bytes as u64) {
        return Err(BodyFault::TooLarge(limits.bytes));
    }
    Ok(())
}

/// Whether the head says that the body is JSON.
///
/// # Errors
/// [`BodyFault::NotJson`]
pub fn require_json(headers: &HeaderMap) -> Result<(), BodyFault> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    if is_json && parts.all(is_utf8) { Ok(()) } else { Err(BodyFault::NotJson) }
}
