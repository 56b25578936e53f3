//! Values of arguments. A value that is not understood is refused.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use careq_console::clinics::Setting;
use careq_shared::clinics::CredentialKind;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::networks::Networks;
use careq_shared::records::Kind;
use careq_shared::{clock, instant};
use chrono::{DateTime, TimeDelta, Utc};

/// An RFC 3339 timestamp, or a duration before now.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    // About a thousand years: older than any row, and within the range of timestamps.
    let max = TimeDelta::days(365 * 1_000);
    let ago = || humantime::parse_duration(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok());
    let ago = || ago().filter(|ago| *ago <= max).map(|ago| clock::now() - ago);
    instant::parse(text).or_else(ago).ok_or_else(|| {
        "a time such as 2026-01-31T08:00:00Z, or an age such as 2h or 3days, is expected".to_owned()
    })
}

/// A person's name. Control characters are refused, since the audit log is printed line by line.
pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > 100 {
        return Err("a name of at most 100 characters, on one line, is expected".to_owned());
    }
    Ok(name.to_owned())
}

/// A kind of record.
pub(super) fn kind(text: &str) -> Result<Kind, String> {
    one_of(Kind::ALL.iter(), text)
}

/// A kind of credential.
pub(super) fn credential(text: &str) -> Result<CredentialKind, String> {
    one_of(CredentialKind::ALL.iter(), text)
}

/// The value that is displayed as this text; the error lists all of them.
fn one_of<'all, T: Copy + Display + 'all>(
    all: impl Iterator<Item = &'all T>,
    text: &str,
) -> Result<T, String> {
    let (words, values): (Vec<_>, Vec<_>) = all.map(|value| (value.to_string(), *value)).unzip();
    let found = words.iter().zip(values).find(|(word, _)| *word == text);
    found.map(|(_, value)| value).ok_or_else(|| format!("it must be one of: {}", words.join(", ")))
}

/// A state; `None` for all.
pub(super) fn state(text: &str) -> Result<Option<DeadLetterState>, String> {
    match text.trim() {
        "all" => Ok(None),
        word => word.parse().map(Some).map_err(|fault| format!("{fault}, or all")),
    }
}

/// A number of the clinic's own in this range, or `default`.
pub(super) fn own_number<N>(
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<Setting<N>, String> + Clone + Send + Sync
where
    N: FromStr + PartialOrd + Display + Clone + Send + Sync,
{
    move |text| {
        let own = text.parse().ok().filter(|number| range.contains(number));
        own_or_default(text, own, &format!("a number from {} to {}", range.start(), range.end()))
    }
}

/// Networks of the clinic's own, or `default`.
pub(super) fn own_networks(text: &str) -> Result<Setting<Networks>, String> {
    let own = text.parse().ok().filter(|networks: &Networks| !networks.is_empty());
    own_or_default(text, own, "networks in CIDR notation, such as 203.0.113.0/24,2001:db8::/32")
}

fn own_or_default<T>(text: &str, own: Option<T>, expected: &str) -> Result<Setting<T>, String> {
    let setting = if text == "default" { Some(Setting::Default) } else { own.map(Setting::Own) };
    setting.ok_or_else(|| format!("it must be {expected}, or `default`"))
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
