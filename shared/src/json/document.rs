//! A body that is a JSON object, in its canonical spelling.

use serde::de::IgnoredAny;

use super::error::{MAX_DEPTH, MAX_VALUES, NotAnObject};
use super::raw::{Object, Raw};
use crate::canonical;

/// A JSON object within the limits, in its canonical spelling. It takes no more memory than the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// Parses a JSON object: its limits, then its grammar, then its canonical spelling.
    ///
    /// # Errors
    /// The bytes are not a JSON object within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let text = std::str::from_utf8(bytes).map_err(|_| NotAnObject::Utf8)?;
        let values = count_values(bytes)?;
        // It stores nothing, and does not recurse.
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|fault| NotAnObject::Json { line: fault.line(), column: fault.column() })?;
        let text = canonical::from_valid(text, values);
        if text.starts_with('{') { Ok(Self(text)) } else { Err(NotAnObject::OtherValue) }
    }

    /// The members.
    #[expect(clippy::expect_used, reason = "what `parse` has written is an object, or the program is wrong")]
    pub fn object(&self) -> Object<'_> {
        Raw::from_canonical(&self.0).as_object().expect("a document is an object")
    }

    /// The canonical spelling.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Document({} bytes)", self.0.len())
    }
}

/// Counts the values and levels of a body, before it is parsed, without the content of texts. For a body that is not
/// JSON, the count may be wrong, but it covers everything that a parser reads before it fails.
fn count_values(bytes: &[u8]) -> Result<usize, NotAnObject> {
    let (mut values, mut depth, mut position) = (1, 0_usize, 0);
    let mut is_first = false;
    while let Some(byte) = bytes.get(position) {
        position += 1;
        if byte.is_ascii_whitespace() {
            continue;
        }
        // A bracket is followed by a value, unless it is closed.
        values += usize::from(is_first && !matches!(byte, b']' | b'}'));
        is_first = false;
        match byte {
            b'"' => position = end_of_text(bytes, position),
            b',' => values += 1,
            b'[' | b'{' => (depth, is_first) = (depth + 1, true),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(NotAnObject::TooDeep);
        }
        if values > MAX_VALUES {
            return Err(NotAnObject::TooManyValues);
        }
    }
    Ok(values)
}

/// The position after the closing quotation mark.
fn end_of_text(bytes: &[u8], mut position: usize) -> usize {
    while let Some(byte) = bytes.get(position) {
        position += match byte {
            b'"' => return position + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_names_and_texts_are_not() {
        for (text, values) in [
            ("", 1),
            ("7", 1),
            ("[]", 1),
            ("[ \n]", 1),
            ("[1]", 2),
            ("{\"a\": 1}", 2),
            ("[[], {}, [\"[,\\\",\"]]", 5),
            (r#"{"a,[{": [1, {"b\\": null}], "c": {}}"#, 6),
            ("\"never closed, [", 1),
            ("\"\\", 1),
        ] {
            assert_eq!(count_values(text.as_bytes()), Ok(values), "{text}");
        }
    }

    #[test]
    fn the_limits_are_exact() {
        let list = |values: usize| format!("[{}]", vec!["0"; values - 1].join(","));
        assert_eq!(count_values(list(MAX_VALUES).as_bytes()), Ok(MAX_VALUES));
        assert_eq!(count_values(list(MAX_VALUES + 1).as_bytes()), Err(NotAnObject::TooManyValues));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(count_values(nested(MAX_DEPTH).as_bytes()), Ok(MAX_DEPTH));
        assert_eq!(count_values(nested(MAX_DEPTH + 1).as_bytes()), Err(NotAnObject::TooDeep));
        assert_eq!(count_values("[".repeat(10_000_000).as_bytes()), Err(NotAnObject::TooDeep));
    }
}
