//! A body that is a JSON object, in its canonical spelling.

use serde::de::IgnoredAny;

use super::error::NotAnObject;
use super::raw::{Object, Raw};
use super::scan;
use crate::canonical;

/// A JSON object within the limits, in its canonical spelling. It takes no more memory than the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    text: String,
}

impl Document {
    /// Parses a JSON object: its limits, then its grammar, then its canonical spelling.
    ///
    /// # Errors
    /// The bytes are not a JSON object within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let text = std::str::from_utf8(bytes).map_err(|_| NotAnObject::Utf8)?;
        let values = scan::count_values(bytes)?;
        // It stores nothing, and does not recurse.
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|fault| NotAnObject::Json { line: fault.line(), column: fault.column() })?;
        let text = canonical::of_valid(text, values);
        if text.starts_with('{') { Ok(Self { text }) } else { Err(NotAnObject::OtherValue) }
    }

    /// The members.
    #[expect(clippy::expect_used, reason = "what `parse` has written is an object, or the program is wrong")]
    pub fn object(&self) -> Object<'_> {
        Raw::of_canonical(&self.text).as_object().expect("a document is an object")
    }

    /// The canonical spelling.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Document({} bytes)", self.text.len())
    }
}
