//! Which letters to act on. Nothing must be acted on that was not named, whoever asks: an empty filter is refused here, once for
//! the command line, the admin API and whatever else comes.

use uuid::Uuid;

use super::Filter;
use crate::Error;

/// Letters that somebody has named: by a filter that says something, or as all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen(Filter);

impl Chosen {
    /// What matches a filter; or with `all`, and an empty filter, every letter.
    ///
    /// # Errors
    /// The filter is empty and not all are meant, or the other way about.
    pub fn new(filter: Filter, all: bool) -> Result<Self, Error> {
        if filter.is_empty() == all { Ok(Self(filter)) } else { Err(Error::NothingNamed) }
    }

    /// One letter.
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
    fn all_must_be_meant() {
        let named = || Filter { code: Some("SERVER_ERROR".to_owned()), ..Filter::default() };
        let none_of_a_list: Filter = serde_json::from_str(r#"{ "ids": [] }"#).unwrap();
        assert!(Chosen::new(named(), false).is_ok() && Chosen::new(Filter::default(), true).is_ok());
        for (filter, all) in [(named(), true), (Filter::default(), false), (none_of_a_list, false)] {
            assert!(matches!(Chosen::new(filter, all), Err(Error::NothingNamed)));
        }
    }
}
