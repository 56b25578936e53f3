//! The `Prefer` header (RFC 7240): whether and how long the caller waits for the result. `Preference-Applied` names a preference only
//! if it was followed.

use axum::http::{HeaderMap, HeaderValue};

/// Maximum wait: CareQ gives up after 30 s.
const MAX_WAIT_S: u64 = 25;

/// The preference of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    None,
    /// `respond-async`: do not wait.
    RespondAsync,
    /// `wait=N`: wait up to N seconds.
    Wait(u64),
}

impl Preference {
    /// Reads `Prefer`. Unknown and malformed preferences are ignored (RFC 7240, 2).
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut preference = Self::None;
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for token in values.flat_map(|value| value.split(',')).map(str::trim) {
            if token.eq_ignore_ascii_case("respond-async") {
                return Self::RespondAsync;
            }
            if let Some((name, seconds)) = token.split_once('=')
                && name.trim().eq_ignore_ascii_case("wait")
                && let Some(seconds) = delta_seconds(seconds.trim())
                && preference == Self::None
            {
                preference = Self::Wait(seconds.min(MAX_WAIT_S));
            }
        }
        preference
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::RespondAsync => Some(HeaderValue::from_static("respond-async")),
            Self::Wait(seconds) => {
                #[expect(clippy::expect_used, reason = "a word and digits are visible ASCII")]
                let value = HeaderValue::try_from(format!("wait={seconds}")).expect("the value is ASCII");
                Some(value)
            }
        }
    }
}

/// `delta-seconds` (RFC 9111, 1.2.2): digits only.
fn delta_seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preference(value: &'static str) -> Preference {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", value.parse().unwrap());
        Preference::from_headers(&headers)
    }

    #[test]
    fn prefer_is_read_as_rfc_7240_defines_it() {
        assert_eq!(preference("respond-async, wait=10"), Preference::RespondAsync);
        assert_eq!(preference("handling=lenient, wait=3"), Preference::Wait(3));
        assert_eq!(preference("Wait=600"), Preference::Wait(25));
        for text in ["wait=soon", "wait=+5", "wait=-5", "wait=5.0", "wait=5s", "wait=", "wait", "wait=1e1"] {
            assert_eq!(preference(text), Preference::None, "{text}");
        }
        assert_eq!(Preference::from_headers(&HeaderMap::new()), Preference::None);
    }
}
