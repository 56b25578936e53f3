//! Request headers that carry one value. A header that was sent twice is an error: of two values, the wrong one could be used.

use axum::http::HeaderMap;

/// A header that was sent more than once, or whose value is not visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderError;

/// The value of a header; `None` if it was not sent.
///
/// # Errors
/// The header was sent more than once, or is not visible ASCII.
pub fn single_header<'request>(
    headers: &'request HeaderMap,
    name: &str,
) -> Result<Option<&'request str>, HeaderError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| HeaderError),
        (Some(_), Some(_)) => Err(HeaderError),
    }
}

/// The bearer token (RFC 6750, 2.1). The scheme's name is not case-sensitive (RFC 9110, 11.1).
#[must_use]
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = single_header(headers, "authorization").ok()??.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_header_that_is_sent_twice_is_an_error() {
        assert_eq!(single_header(&headers(&[]), "authorization"), Ok(None));
        assert_eq!(single_header(&headers(&["one"]), "authorization"), Ok(Some("one")));
        assert_eq!(single_header(&headers(&["one", "one"]), "authorization"), Err(HeaderError));
    }

    #[test]
    fn a_bearer_token_is_read_with_any_case_of_the_scheme() {
        assert_eq!(bearer_token(&headers(&["Bearer secret"])), Some("secret"));
        assert_eq!(bearer_token(&headers(&["bEARER  secret "])), Some("secret"));
        assert_eq!(bearer_token(&headers(&["Basic secret"])), None);
        assert_eq!(bearer_token(&headers(&["Bearer secret", "Bearer secret"])), None);
    }
}
