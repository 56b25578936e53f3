//! The errors in the settings.

use std::fmt;

/// Every error in the settings, each as a sentence that says what to do.
#[derive(Debug)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {} fault(s):", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  - {fault}"))
    }
}

impl std::error::Error for Faults {}

impl Faults {
    pub(super) fn new(sentences: Vec<String>) -> Self {
        Self(sentences)
    }

    /// The sentences, one for each error.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}
