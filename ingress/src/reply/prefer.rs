//! `Prefer` (RFC 7240): whether the caller wants to wait for the result, and how long. A preference that was not followed
//! must never be reported as applied.

use std::time::Duration;

use axum::http::HeaderMap;

/// The longest wait: CareQ itself gives up after 30 s.
const LONGEST_S: u64 = 25;

/// What the caller prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    /// Nothing was said.
    None,
    /// `respond-async`: never wait.
    RespondAsync,
    /// `wait=N`.
    Wait {
        /// In seconds, at most 25.
        seconds: u64,
    },
}

impl Preference {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut preference = Self::None;
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for token in values.flat_map(|value| value.split(',')).map(str::trim) {
            if token.eq_ignore_ascii_case("respond-async") {
                return Self::RespondAsync;
            }
            if let Some((name, seconds)) = token.split_once('=')
                && name.trim().eq_ignore_ascii_case("wait")
                && let Some(seconds) = seconds_of(seconds.trim())
                && preference == Self::None
            {
                preference = Self::Wait { seconds: seconds.min(LONGEST_S) };
            }
        }
        preference
    }

    /// The preference as it is followed: a wait that cannot be granted is none.
    pub(crate) fn granted(self, is_waiting: bool) -> Self {
        if matches!(self, Self::Wait { .. }) && !is_waiting { Self::None } else { self }
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::RespondAsync => Some("respond-async".to_owned()),
            Self::Wait { seconds } => Some(format!("wait={seconds}")),
        }
    }

    /// The explicit wait, where one is preferred.
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Self::Wait { seconds } => Some(Duration::from_secs(seconds)),
            Self::None | Self::RespondAsync => None,
        }
    }
}

/// `delta-seconds` (RFC 9111, 1.2.2): digits, and nothing else.
fn seconds_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &'static str) -> Preference {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", value.parse().unwrap());
        Preference::of(&headers)
    }

    #[test]
    fn reads_what_rfc_7240_writes() {
        assert_eq!(of("respond-async, wait=10"), Preference::RespondAsync);
        assert_eq!(of("handling=lenient, wait=3"), Preference::Wait { seconds: 3 });
        assert_eq!(of("Wait=600"), Preference::Wait { seconds: 25 });
        for text in ["wait=soon", "wait=+5", "wait=-5", "wait=5.0", "wait=5s", "wait=", "wait", "wait=1e1"] {
            assert_eq!(of(text), Preference::None, "{text}");
        }
        assert_eq!(Preference::of(&HeaderMap::new()), Preference::None);
    }
}
