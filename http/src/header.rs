//! Headers that say one thing. One that was sent twice must never count: of two that disagree, it could be the wrong one.

use axum::http::HeaderMap;

/// It proves nothing, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentTwiceOrUnreadable;

/// A header that was sent at most once, and what it says.
///
/// # Errors
/// It was sent twice, or is no text.
pub fn single<'request>(
    headers: &'request HeaderMap,
    name: &str,
) -> Result<Option<&'request str>, SentTwiceOrUnreadable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| SentTwiceOrUnreadable),
        (Some(_), Some(_)) => Err(SentTwiceOrUnreadable),
    }
}

/// The bearer token (RFC 6750, 2.1). The scheme's name is not case-sensitive (RFC 9110, 11.1).
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = single(headers, "authorization").ok()??.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
