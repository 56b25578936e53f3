//! A body as a JSON object. A fault must never be told with the bytes that it was found in.

use serde_json::{Map, Value};

/// Why bytes are no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// RFC 8259, 8.1.
    #[error("The body is not valid UTF-8")]
    Utf8,
    /// It has no JSON value, or more than one, or one that is nested too deep.
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
}

/// Reads a JSON object.
///
/// # Errors
/// The bytes are none.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotAnObject::Utf8)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(NotAnObject::OtherValue),
        Err(fault) => Err(NotAnObject::Json { line: fault.line(), column: fault.column() }),
    }
}
