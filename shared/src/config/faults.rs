//! The list of everything that is wrong with the settings.

use std::fmt;

/// Everything that is wrong with the settings, each as a sentence that says what to do.
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

    /// Each fault, as a sentence.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}
