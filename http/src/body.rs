//! Reads request bodies within limits of size, time and shared memory. Handlers read a body only after the caller is authenticated.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use careq_shared::json::Document;
use careq_shared::outcome::ErrorCode;
use careq_shared::redact;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::header::single_header;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Maximum size in bytes.
    pub max_bytes: usize,
    /// Time from the first read to the last byte.
    pub timeout: Duration,
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Incomplete | BodyError::NotJson => StatusCode::BAD_REQUEST,
            BodyError::NoMemory => return Self::unavailable(error.to_string()),
        };
        Self::new(status, ErrorCode::InvalidRequest.as_str(), error.to_string())
    }
}

/// Memory reserved for one body in a budget that it shares with others. Dropping it returns the memory.
pub trait Reservation {
    /// Reserves `bytes` more; `false` if the budget is exhausted.
    fn grow(&mut self, bytes: usize) -> bool;
}

/// Why a body was refused. The text is the message of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
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
    #[error("Content-Type must be sent once, and be application/json in UTF-8")]
    NotJson,
    /// 503
    #[error("The server has no memory for the body at the moment")]
    NoMemory,
}

/// Reads the whole body.
///
/// # Errors
/// See [`BodyError`].
pub async fn read_body(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    read_body_into((), headers, body, limits).await.map(|(bytes, ())| bytes)
}

/// Reads the whole body into reserved memory. The caller keeps the reservation as long as the bytes.
///
/// # Errors
/// See [`BodyError`].
pub async fn read_body_into<R: Reservation>(
    mut reservation: R,
    headers: &HeaderMap,
    mut body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, R), BodyError> {
    let deadline = Instant::now() + limits.timeout;
    let reading = read_all(&mut reservation, headers, &mut body, limits.max_bytes);
    let error = match timeout_at(deadline, reading).await {
        Ok(Ok(bytes)) => return Ok((bytes, reservation)),
        Ok(Err(error)) => error,
        Err(_) => return Err(BodyError::TooSlow(limits.timeout)),
    };
    drop(reservation);
    if timeout_at(deadline, discard(&mut body, limits)).await.is_err() {
        tracing::debug!("the rest of a refused body did not arrive in time");
    }
    Err(error)
}

/// A body that arrives in one frame, as a webhook does, is returned without a copy. Several frames are copied into one buffer: each
/// frame, however small, would keep a whole read buffer of the connection alive.
async fn read_all(
    reservation: &mut impl Reservation,
    headers: &HeaderMap,
    body: &mut Body,
    max_bytes: usize,
) -> Result<Bytes, BodyError> {
    let content_length = content_length(headers, max_bytes)?;
    let mut buffer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // A frame without data holds trailers, which are ignored.
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        if data.len() > max_bytes - buffer.len() {
            return Err(BodyError::TooLarge(max_bytes));
        }
        if !reservation.grow(data.len()) {
            return Err(BodyError::NoMemory);
        }
        if buffer.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        if buffer.capacity() == 0 {
            // A growing buffer would hold two copies while it moves.
            buffer.reserve(content_length.map_or(data.len(), |length| length.max(data.len())));
        }
        buffer.extend_from_slice(&data);
    }
    Ok(buffer.freeze())
}

/// The reservation of a body that takes nothing from a shared budget.
impl Reservation for () {
    fn grow(&mut self, _: usize) -> bool {
        true
    }
}

/// Reads and drops the rest of a body, up to four times the limit. A client that is still sending when the connection closes does
/// not see its answer.
async fn discard(body: &mut Body, limits: BodyLimits) {
    let mut left = limits.max_bytes.saturating_mul(4);
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// `Content-Length`, if it was sent. The HTTP library has already refused a malformed one.
fn content_length(headers: &HeaderMap, max_bytes: usize) -> Result<Option<usize>, BodyError> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) if length > max_bytes => Err(BodyError::TooLarge(max_bytes)),
        length => Ok(length),
    }
}

/// Parses a body as a JSON object.
///
/// # Errors
/// 400 if `Content-Type` is not JSON in UTF-8, or the body is not a JSON object.
pub fn read_document(headers: &HeaderMap, body: &[u8]) -> Result<Document, ApiError> {
    require_json(headers)?;
    Document::parse(body).map_err(|error| {
        ApiError::invalid_request(error.to_string())
            .with_payload(redact::non_object_shape(body.len(), error), None)
    })
}

fn require_json(headers: &HeaderMap) -> Result<(), BodyError> {
    let Ok(Some(content_type)) = single_header(headers, CONTENT_TYPE.as_str()) else {
        return Err(BodyError::NotJson);
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let charset = quoted.unwrap_or(value);
        // `utf8` is not a registered name, but many clients send it.
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|known| charset.eq_ignore_ascii_case(known))
    };
    if is_json && parts.all(is_utf8) { Ok(()) } else { Err(BodyError::NotJson) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::{self, StreamExt as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LIMITS: BodyLimits = BodyLimits { max_bytes: 100, timeout: Duration::from_secs(5) };

    /// A budget of ten bytes.
    #[derive(Debug, Default)]
    struct TenBytes {
        reserved: usize,
        returned: Arc<AtomicUsize>,
    }

    impl Reservation for TenBytes {
        fn grow(&mut self, bytes: usize) -> bool {
            let fits = self.reserved + bytes <= 10;
            self.reserved += if fits { bytes } else { 0 };
            fits
        }
    }

    impl Drop for TenBytes {
        fn drop(&mut self) {
            self.returned.fetch_add(self.reserved, Ordering::Relaxed);
        }
    }

    /// A body of one-byte frames, which calls `on_read` for each.
    fn one_byte_frames(bytes: usize, on_read: impl Fn() + Send + 'static) -> Body {
        let frames = stream::repeat_with(|| Ok::<_, std::io::Error>("x")).take(bytes);
        Body::from_stream(frames.inspect(move |_| on_read()))
    }

    #[test]
    fn only_json_in_utf_8_is_accepted() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            require_json(&headers).is_ok()
        };
        for value in [
            "application/json",
            "Application/JSON",
            "application/json;",
            "application/json; charset=utf-8",
            "application/json; charset=utf8",
            "application/json;charset=UTF8",
            "application/json; Charset=\"UTF-8\"",
            "application/json; charset=\"utf8\"",
            "application/json; profile=x; charset=utf-8",
        ] {
            assert!(read(&[value]), "{value}");
        }
        for values in [
            &[][..],
            &[""],
            &["text/json"],
            &["application/jsonp"],
            &["application/json, application/json"],
            &["application/json; charset=latin1"],
            &["application/json; charset=utf-16"],
            &["application/json; charset=utf-7"],
            &["application/json; charset=utf_8"],
            &["application/json; charset=utf-8-sig"],
            &["application/json; charset="],
            &["application/json; charset"],
            &["application/json; charset=\"utf-8"],
            &["application/json; charset=utf8; charset=latin1"],
            &["application/json", "application/json"],
            &["application/json", "text/plain"],
            &["application/json", ""],
        ] {
            assert!(!read(values), "{values:?}");
        }
    }

    #[tokio::test]
    async fn a_body_in_frames_reserves_what_has_arrived() {
        let headers = HeaderMap::new();
        let (bytes, reservation) =
            read_body_into(TenBytes::default(), &headers, one_byte_frames(10, || ()), LIMITS).await.unwrap();
        assert_eq!((&bytes[..], reservation.reserved), (&[b'x'; 10][..], 10));
        let sent = Bytes::from("in one frame".to_owned());
        let kept = read_body(&headers, Body::from(sent.clone()), LIMITS).await.unwrap();
        assert_eq!((kept.as_ptr(), kept.len()), (sent.as_ptr(), sent.len()), "the frame is not copied");
        assert_eq!(read_body(&headers, one_byte_frames(100, || ()), LIMITS).await.unwrap().len(), 100);
        assert_eq!(
            read_body(&headers, one_byte_frames(101, || ()), LIMITS).await,
            Err(BodyError::TooLarge(100))
        );
    }

    /// A discarded body is read to its end, so that its sender sees the answer. It holds no memory meanwhile.
    #[tokio::test]
    async fn a_body_without_memory_is_read_and_discarded() {
        let reservation = TenBytes::default();
        let returned = Arc::clone(&reservation.returned);
        let (read, late) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&reservation.returned));
        let counter = Arc::clone(&read);
        let body = one_byte_frames(50, move || {
            let position = counter.fetch_add(1, Ordering::Relaxed);
            assert!(
                position <= 10 || late.load(Ordering::Relaxed) == 10,
                "byte {position} is read while memory is reserved"
            );
        });
        let refused = read_body_into(reservation, &HeaderMap::new(), body, LIMITS).await.map(drop);
        assert_eq!(refused, Err(BodyError::NoMemory));
        assert_eq!((read.load(Ordering::Relaxed), returned.load(Ordering::Relaxed)), (50, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_without_memory_is_refused_at_the_deadline() {
        let endless = one_byte_frames(50, || ()).into_data_stream().chain(stream::pending());
        let refused =
            read_body_into(TenBytes::default(), &HeaderMap::new(), Body::from_stream(endless), LIMITS).await;
        assert_eq!(refused.map(drop), Err(BodyError::NoMemory));
        let too_slow = read_body(
            &HeaderMap::new(),
            Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
            LIMITS,
        )
        .await;
        assert_eq!(too_slow, Err(BodyError::TooSlow(LIMITS.timeout)));
    }
}
