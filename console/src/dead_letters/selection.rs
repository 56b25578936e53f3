//! The dead letters to act on. An empty filter is refused here, for the command line and the admin API alike.

use uuid::Uuid;

use super::filter::Filter;
use crate::error::Error;

/// Explicitly selected dead letters: those that match a non-empty filter, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Filter);

impl Selection {
    /// The dead letters that match a filter; or every one, with `all` and an empty filter.
    ///
    /// # Errors
    /// The filter is empty without `all`, or not empty with it.
    pub fn new(filter: Filter, all: bool) -> Result<Self, Error> {
        if filter.is_empty() == all { Ok(Self(filter)) } else { Err(Error::NoSelection) }
    }

    /// One dead letter.
    #[must_use]
    pub fn only(id: Uuid) -> Self {
        Self(Filter { ids: vec![id], ..Filter::default() })
    }

    /// The filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_dead_letters_are_selected_only_explicitly() {
        let by_code = || Filter { code: Some("SERVER_ERROR".to_owned()), ..Filter::default() };
        let empty_list: Filter = serde_json::from_str(r#"{ "ids": [] }"#).unwrap();
        assert!(Selection::new(by_code(), false).is_ok() && Selection::new(Filter::default(), true).is_ok());
        for (filter, all) in [(by_code(), true), (Filter::default(), false), (empty_list, false)] {
            assert!(matches!(Selection::new(filter, all), Err(Error::NoSelection)));
        }
    }
}
