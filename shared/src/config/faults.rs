//! The errors in the settings.

use std::fmt;
use std::ops::RangeInclusive;

/// Every error in the settings, each as a sentence that says what to do.
#[derive(Debug, Default)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {} fault(s):", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  - {fault}"))
    }
}

impl std::error::Error for Faults {}

impl Faults {
    /// The sentences, one for each error.
    pub fn sentences(&self) -> &[String] {
        &self.0
    }

    pub(super) fn add(&mut self, sentence: impl Into<String>) {
        self.0.push(sentence.into());
    }

    pub(super) fn require(&mut self, holds: bool, sentence: &str) {
        if !holds {
            self.add(sentence);
        }
    }

    pub(super) fn at_least<T: Copy + PartialOrd + fmt::Display>(&mut self, name: &str, value: T, min: T) {
        self.require(value >= min, &format!("{name} must be at least {min}"));
    }

    pub(super) fn within<T>(&mut self, name: &str, value: T, range: RangeInclusive<T>)
    where
        T: Copy + PartialOrd + fmt::Display,
    {
        let sentence = format!("{name} must be from {} to {}", range.start(), range.end());
        self.require(range.contains(&value), &sentence);
    }
}
