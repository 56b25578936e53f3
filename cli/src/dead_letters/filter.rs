//! From the words of the command line to a filter. What is not understood must be refused: it would match something else.

use anyhow::Result;
use careq_console::dead_letters::{self, Filter, Selection};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::records::Kind;
use careq_shared::{clock, instant};
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;

use super::arguments::{self, Which};

impl From<Which> for Filter {
    fn from(which: Which) -> Self {
        let Which { clinic, kind, careq_id, class, code, fingerprint, since, until } = which;
        Self { clinic_id: clinic, kind, careq_id, class, code, fingerprint, since, until, ..Self::default() }
    }
}

/// The letters that were named.
pub(super) async fn chosen(database: &DatabaseConnection, chosen: arguments::Selected) -> Result<Selection> {
    let mut filter = Filter::from(chosen.which);
    for id in chosen.ids {
        filter.ids.push(dead_letters::find(database, id).await?);
    }
    Ok(Selection::new(filter, chosen.all)?)
}

/// A moment, or how long ago it was.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let ago = || humantime::parse_duration(text).ok().and_then(|ago| Some(clock::now() - chrono(ago)?));
    instant::parse(text).or_else(ago).ok_or_else(|| {
        "a time such as 2026-01-31T08:00:00Z, or how long ago, such as 2h or 3days, is expected".to_owned()
    })
}

fn chrono(duration: std::time::Duration) -> Option<chrono::TimeDelta> {
    // Longer ago than anything is here, and short enough for the calendar.
    let longest = chrono::TimeDelta::days(365 * 1_000);
    chrono::TimeDelta::from_std(duration).ok().filter(|duration| *duration <= longest)
}

/// A person's name. The audit log is read by lines, and a name must not make one.
pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > 100 {
        return Err("a name of at most 100 characters, on one line, is expected".to_owned());
    }
    Ok(name.to_owned())
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|_| format!("it must be one of: {}", Kind::ALL.map(Kind::as_str).join(", ")))
}

/// States to list; none for all.
#[derive(Debug, Clone)]
pub(crate) struct States(pub(super) Vec<DeadLetterState>);

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
    fn moments_are_said_in_two_ways() {
        assert_eq!(moment("2026-01-31T08:00:00+01:00").unwrap().to_rfc3339(), "2026-01-31T07:00:00+00:00");
        let ago = clock::now() - moment("2h").unwrap();
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
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
