//! A body from its first byte to its last, within a size, a time and the room that there is. It must never be read before the
//! caller is known, nor kept beyond its limit.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::header::single;

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest.
    pub bytes: usize,
    /// How long it may take.
    pub within: Duration,
}

/// What a body takes of a room that it shares with others. It gives that back when it is dropped.
pub trait Share {
    /// Takes so many bytes more, if they fit.
    fn grow(&mut self, bytes: usize) -> bool;
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
    #[error("Content-Type must be sent once, and be application/json in UTF-8")]
    NotJson,
    /// 503
    #[error("There is no room for the body at the moment")]
    NoRoom,
}

/// Reads the whole body.
///
/// # Errors
/// See [`BodyFault`].
pub async fn body(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, BodyFault> {
    body_into(Unshared, headers, body, limits).await.map(|(bytes, _)| bytes)
}

/// Reads the whole body into a shared room. The share is to be kept as long as the bytes are.
///
/// # Errors
/// See [`BodyFault`].
pub async fn body_into<S: Share>(
    mut share: S,
    headers: &HeaderMap,
    mut body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, S), BodyFault> {
    let until = Instant::now() + limits.within;
    let reading = whole(&mut share, headers, &mut body, limits.bytes);
    let fault = match timeout_at(until, reading).await {
        Ok(Ok(bytes)) => return Ok((bytes, share)),
        Ok(Err(fault)) => fault,
        Err(_) => return Err(BodyFault::TooSlow(limits.within)),
    };
    drop(share);
    timeout_at(until, discard(&mut body, limits)).await.unwrap_or_default();
    Err(fault)
}

/// A body that comes in one piece, as a webhook does, is kept as it is. Of several pieces none is: however small, it would hold a whole
/// buffer of the connection.
async fn whole(
    share: &mut impl Share,
    headers: &HeaderMap,
    body: &mut Body,
    limit_bytes: usize,
) -> Result<Bytes, BodyFault> {
    let announced = announced(headers, limit_bytes)?;
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // A frame without data has trailers, which nobody asked for.
        let Ok(piece) = frame.map_err(|_| BodyFault::Incomplete)?.into_data() else { continue };
        if piece.len() > limit_bytes - kept.len() {
            return Err(BodyFault::TooLarge(limit_bytes));
        }
        if !share.grow(piece.len()) {
            return Err(BodyFault::NoRoom);
        }
        if kept.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        if kept.capacity() == 0 {
            // Its whole length, where it was announced: while it grew there would be two copies of it.
            kept.reserve(announced.unwrap_or_default().max(piece.len()));
        }
        kept.extend_from_slice(&piece);
    }
    Ok(kept.freeze())
}

/// Of a body that is small.
struct Unshared;

impl Share for Unshared {
    fn grow(&mut self, _: usize) -> bool {
        true
    }
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

/// The length that the head says, if it says one.
fn announced(headers: &HeaderMap, limit_bytes: usize) -> Result<Option<usize>, BodyFault> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match length {
        Some(length) if length > limit_bytes => Err(BodyFault::TooLarge(limit_bytes)),
        length => Ok(length),
    }
}

/// Whether the head says that the body is JSON.
///
/// # Errors
/// [`BodyFault::NotJson`]
pub fn require_json(headers: &HeaderMap) -> Result<(), BodyFault> {
    let sent = single(headers, CONTENT_TYPE.as_str()).ok().flatten().unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let charset = quoted.unwrap_or(value);
        // `utf8` is no registered name of it, and what many clients write.
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|known| charset.eq_ignore_ascii_case(known))
    };
    if is_json && parts.all(is_utf8) { Ok(()) } else { Err(BodyFault::NotJson) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::{self, StreamExt as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LIMITS: BodyLimits = BodyLimits { bytes: 100, within: Duration::from_secs(5) };

    /// Room for ten bytes.
    #[derive(Debug, Default)]
    struct Ten {
        taken: usize,
        given_back: Arc<AtomicUsize>,
    }

    impl Share for Ten {
        fn grow(&mut self, bytes: usize) -> bool {
            let fits = self.taken + bytes <= 10;
            self.taken += if fits { bytes } else { 0 };
            fits
        }
    }

    impl Drop for Ten {
        fn drop(&mut self) {
            self.given_back.fetch_add(self.taken, Ordering::Relaxed);
        }
    }

    /// A body of single bytes, each of which notes when it is read.
    fn dribbling(bytes: usize, note: impl Fn() + Send + 'static) -> Body {
        let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>("x")).take(bytes);
        Body::from_stream(pieces.inspect(move |_| note()))
    }

    #[test]
    fn json_in_utf_8_and_nothing_else() {
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
    async fn a_body_in_pieces_takes_what_has_come_of_it() {
        let headers = HeaderMap::new();
        let (bytes, share) = body_into(Ten::default(), &headers, dribbling(10, || ()), LIMITS).await.unwrap();
        assert_eq!((&bytes[..], share.taken), (&[b'x'; 10][..], 10));
        let sent = Bytes::from("in one piece".to_owned());
        let kept = body(&headers, Body::from(sent.clone()), LIMITS).await.unwrap();
        assert_eq!((kept.as_ptr(), kept.len()), (sent.as_ptr(), sent.len()), "it is not copied");
        assert_eq!(body(&headers, dribbling(100, || ()), LIMITS).await.unwrap().len(), 100);
        assert_eq!(body(&headers, dribbling(101, || ()), LIMITS).await, Err(BodyFault::TooLarge(100)));
    }

    /// What is thrown away is read to its end, so that its sender sees the answer, and takes no room meanwhile.
    #[tokio::test]
    async fn a_body_without_room_is_read_and_thrown_away() {
        let share = Ten::default();
        let given_back = Arc::clone(&share.given_back);
        let (read, late) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&share.given_back));
        let counter = Arc::clone(&read);
        let body = dribbling(50, move || {
            let place = counter.fetch_add(1, Ordering::Relaxed);
            assert!(
                place <= 10 || late.load(Ordering::Relaxed) == 10,
                "byte {place} is read with room taken"
            );
        });
        let refused = body_into(share, &HeaderMap::new(), body, LIMITS).await.map(drop);
        assert_eq!(refused, Err(BodyFault::NoRoom));
        assert_eq!((read.load(Ordering::Relaxed), given_back.load(Ordering::Relaxed)), (50, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_that_never_ends_has_no_room_all_the_same() {
        let endless = dribbling(50, || ()).into_data_stream().chain(stream::pending());
        let refused = body_into(Ten::default(), &HeaderMap::new(), Body::from_stream(endless), LIMITS).await;
        assert_eq!(refused.map(drop), Err(BodyFault::NoRoom));
        let too_slow = body(
            &HeaderMap::new(),
            Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
            LIMITS,
        )
        .await;
        assert_eq!(too_slow, Err(BodyFault::TooSlow(LIMITS.within)));
    }
}
