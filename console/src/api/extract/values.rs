//! Values of query parameters whose text form is stricter than `FromStr` of their type.

use std::str::FromStr;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::instant;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};

/// A kind; the error lists the valid ones.
pub(super) struct KindName(pub(super) Kind);

impl FromStr for KindName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Kind::ALL.map(Kind::as_str).join(", ");
        text.parse().map(Self).map_err(|_| format!("it must be one of: {}", names()))
    }
}

/// A number in its canonical form, without a plus sign or leading zeros.
pub(super) struct Canonical<T>(pub(super) T);

impl<T: FromStr + ToString> FromStr for Canonical<T> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number: &T| number.to_string() == text);
        number.map(Self).ok_or("it must be a whole number")
    }
}

/// A timestamp that both databases can compare.
pub(super) struct Timestamp(pub(super) DateTime<Utc>);

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        instant::parse(text).map(Self).ok_or("it must be a time such as 2026-01-31T08:00:00Z")
    }
}

/// A state, or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateOrAll {
    All,
    State(DeadLetterState),
}

impl StateOrAll {
    pub(super) const fn state(self) -> Option<DeadLetterState> {
        match self {
            Self::All => None,
            Self::State(state) => Some(state),
        }
    }
}

impl FromStr for StateOrAll {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        text.parse().map(Self::State).map_err(|fault| format!("{fault}, or all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_neither_a_sign_nor_leading_zeros() {
        assert!("7".parse::<Canonical<i64>>().is_ok_and(|Canonical(number)| number == 7));
        for text in ["+7", "07", "7.0", "", " 7"] {
            assert!(text.parse::<Canonical<i64>>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_error_of_a_state_names_all_too() {
        assert_eq!("all".parse(), Ok(StateOrAll::All));
        assert_eq!("open".parse(), Ok(StateOrAll::State(DeadLetterState::Open)));
        assert!("opened".parse::<StateOrAll>().is_err_and(|fault| fault.ends_with(", or all")));
    }
}
