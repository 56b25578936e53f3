//! Values of the arguments of `careq-sync dead-letters`. A value that is not understood is refused.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::records::Kind;
use careq_shared::{clock, instant};
use chrono::{DateTime, TimeDelta, Utc};

/// An RFC 3339 timestamp, or a duration before now.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let ago = || humantime::parse_duration(text).ok().and_then(|ago| Some(clock::now() - time_delta(ago)?));
    instant::parse(text).or_else(ago).ok_or_else(|| {
        "a time such as 2026-01-31T08:00:00Z, or how long ago, such as 2h or 3days, is expected".to_owned()
    })
}

fn time_delta(duration: std::time::Duration) -> Option<TimeDelta> {
    // About a thousand years: older than any row, and within the range of timestamps.
    let max = TimeDelta::days(365 * 1_000);
    TimeDelta::from_std(duration).ok().filter(|duration| *duration <= max)
}

/// A person's name. Control characters are refused, since the audit log is printed line by line.
pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > 100 {
        return Err("a name of at most 100 characters, on one line, is expected".to_owned());
    }
    Ok(name.to_owned())
}

/// A kind of record; the error lists the valid ones.
pub(super) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|_| format!("it must be one of: {}", Kind::ALL.map(Kind::as_str).join(", ")))
}

/// The states to list; empty for all.
#[derive(Debug, Clone)]
pub(crate) struct States(pub(crate) Vec<DeadLetterState>);

impl std::str::FromStr for States {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self(Vec::new()));
        }
        let states =
            text.split(',').map(|word| word.trim().parse::<DeadLetterState>()).collect::<Result<_, _>>();
        states.map(Self).map_err(|fault| format!("{fault}, or all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_timestamp_or_a_duration_before_now() {
        assert_eq!(time("2026-01-31T08:00:00+01:00").unwrap().to_rfc3339(), "2026-01-31T07:00:00+00:00");
        let ago = clock::now() - time("2h").unwrap();
        assert!((7_190..7_260).contains(&ago.num_seconds()), "{ago}");
        for text in [
            "yesterday",
            "2026-01-31T08:00:00",
            "",
            "999999999y",
            "26-01-31T08:00:00Z",
            "2026-01-31 08:00:00Z",
            "-2h",
            "+2h",
            "2",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
