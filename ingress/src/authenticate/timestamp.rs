//! `X-CareQ-Timestamp` (API specification, "Timestamp Validation"): Unix seconds, at most five minutes from now. The signature does not
//! cover it, so it does not protect against replays; the idempotency key does.

use axum::http::HeaderMap;
use careq_http::single_header;
use chrono::{DateTime, Utc};
use subtle::Choice;

/// Maximum difference from our clock, in either direction.
const MAX_DIFFERENCE_S: u64 = 300;

/// A time stamp that was sent, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Reads 1 to 12 digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Self)
    }

    /// Whether the time stamp is within five minutes of `now`.
    #[must_use]
    pub fn is_fresh(self, now: DateTime<Utc>) -> bool {
        self.0.abs_diff(now.timestamp()) <= MAX_DIFFERENCE_S
    }
}

/// Whether the time stamp is fresh. One that was sent is checked even if it is not required.
pub(super) fn is_fresh(headers: &HeaderMap, is_required: bool, now: DateTime<Utc>) -> Choice {
    let is_fresh = match single_header(headers, "x-careq-timestamp") {
        Ok(Some(text)) => Timestamp::read(text).is_some_and(|stamp| stamp.is_fresh(now)),
        Ok(None) => !is_required,
        Err(_) => false,
    };
    Choice::from(u8::from(is_fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_digits_within_five_minutes_of_now() {
        let now = DateTime::from_timestamp(1_702_209_600, 999_999_000).unwrap();
        let is_fresh = |text: &str| Timestamp::read(text).map(|stamp| stamp.is_fresh(now));
        for text in ["1702209600", "1702209300", "1702209900", "001702209600"] {
            assert_eq!(is_fresh(text), Some(true), "{text}");
        }
        for text in ["1702209299", "1702209901", "0", "999999999999"] {
            assert_eq!(is_fresh(text), Some(false), "{text}");
        }
        for text in
            ["", " 1702209600", "+1702209600", "-1", "1702209600.0", "0x0", "1702209600000", "१७०२२०९६००"]
        {
            assert_eq!(is_fresh(text), None, "{text}");
        }
    }
}
