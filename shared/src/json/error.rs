//! Reasons why a body is not a JSON object. None of them quotes the body.

use super::limits::{MAX_DEPTH, MAX_VALUES};

/// The reason why bytes are not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// RFC 8259, 8.1.
    #[error("The body is not valid UTF-8")]
    Utf8,
    /// The body has no JSON value, or more than one.
    #[error("The body is not valid JSON: line {line}, column {column}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// The body is another JSON value.
    #[error("The body must be a JSON object")]
    OtherValue,
    /// The body has more than [`MAX_DEPTH`] levels.
    #[error("The body has more than {MAX_DEPTH} lists and objects within each other")]
    TooDeep,
    /// The body has more than [`MAX_VALUES`] values.
    #[error("The body has more than {MAX_VALUES} values")]
    TooManyValues,
}
