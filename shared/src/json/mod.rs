//! JSON from outside. It is never made into a [`serde_json::Value`]: that takes time and memory which its sender chooses, and members
//! with names that `serde_json` keeps for itself (`$serde_json::private::…`) for something else. It stays text, in its canonical
//! spelling, and what is in it is read where it is needed. A fault must never be told with the bytes that it was found in.

mod limits;
mod raw;

use serde::de::IgnoredAny;

pub use limits::{MAX_DEPTH, MAX_VALUES};
pub use raw::{Object, Raw};

use crate::canonical;

/// Why bytes are no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// RFC 8259, 8.1.
    #[error("The body is not valid UTF-8")]
    Utf8,
    /// It has no JSON value, or more than one.
    #[error("The body is not valid JSON: line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// In bytes.
        column: usize,
    },
    /// It has another JSON value.
    #[error("The body must be a JSON object")]
    OtherValue,
    /// More than [`MAX_DEPTH`].
    #[error("The body has more than {MAX_DEPTH} lists and objects within each other")]
    TooDeep,
    /// More than [`MAX_VALUES`].
    #[error("The body has more than {MAX_VALUES} values")]
    TooManyValues,
}

/// A JSON object within the limits, in its canonical spelling. It takes no more memory than what was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    text: String,
}

impl Document {
    /// Reads a JSON object: its limits, then its grammar, then its canonical spelling.
    ///
    /// # Errors
    /// The bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let text = std::str::from_utf8(bytes).map_err(|_| NotAnObject::Utf8)?;
        let values = limits::count(bytes)?;
        // It keeps nothing, and does not recurse.
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|fault| NotAnObject::Json { line: fault.line(), column: fault.column() })?;
        let text = canonical::of_valid(text, values);
        if text.starts_with('{') { Ok(Self { text }) } else { Err(NotAnObject::OtherValue) }
    }

    /// Its members.
    ///
    /// # Panics
    /// Never: [`Self::parse`] has written an object.
    #[must_use]
    #[expect(clippy::expect_used, reason = "what `parse` has written is an object, or the program is wrong")]
    pub fn object(&self) -> Object<'_> {
        Raw::of_canonical(&self.text).as_object().expect("a document is an object")
    }

    /// The canonical spelling.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Document({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests;
