//! `X-CareQ-Timestamp` (API specification, "Timestamp Validation"): Unix seconds, at most five minutes from now. The signature
//! does not cover it, so that it must never be taken for a protection against replays: the idempotency key is that.

use std::str::FromStr;

use axum::http::HeaderMap;
use careq_http::single;
use chrono::{DateTime, Utc};
use subtle::Choice;

/// Five minutes, either way: clocks differ.
const FARTHEST_S: u64 = 300;

/// A time stamp as it is sent: 1 to 12 digits, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    unix_s: i64,
}

/// A text that is no time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTimestamp;

impl FromStr for Timestamp {
    type Err = NotTimestamp;

    fn from_str(text: &str) -> Result<Self, NotTimestamp> {
        let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let unix_s = text.parse().ok().filter(|_| is_number).ok_or(NotTimestamp)?;
        Ok(Self { unix_s })
    }
}

impl Timestamp {
    /// Whether it is within five minutes of this moment.
    #[must_use]
    pub fn is_fresh(self, now: DateTime<Utc>) -> bool {
        self.unix_s.abs_diff(now.timestamp()) <= FARTHEST_S
    }
}

/// Whether the time stamp is fresh. One that is sent is checked, required or not.
pub(super) fn is_fresh(headers: &HeaderMap, is_required: bool, now: DateTime<Utc>) -> Choice {
    let is_fresh = match single(headers, "x-careq-timestamp") {
        Ok(Some(text)) => text.parse::<Timestamp>().is_ok_and(|stamp| stamp.is_fresh(now)),
        Ok(None) => !is_required,
        Err(_) => false,
    };
    Choice::from(u8::from(is_fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_either_way_and_nothing_but_digits() {
        let now = DateTime::from_timestamp(1_702_209_600, 999_999_000).unwrap();
        let is_fresh = |text: &str| text.parse::<Timestamp>().map(|stamp| stamp.is_fresh(now));
        for text in ["1702209600", "1702209300", "1702209900", "001702209600"] {
            assert_eq!(is_fresh(text), Ok(true), "{text}");
        }
        for text in ["1702209299", "1702209901", "0", "999999999999"] {
            assert_eq!(is_fresh(text), Ok(false), "{text}");
        }
        for text in
            ["", " 1702209600", "+1702209600", "-1", "1702209600.0", "0x0", "1702209600000", "१७०२२०९६००"]
        {
            assert_eq!(is_fresh(text), Err(NotTimestamp), "{text}");
        }
    }
}
