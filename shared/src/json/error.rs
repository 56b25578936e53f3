//! Reasons why a body is not a JSON object. None of them quotes the body.

use super::limits::{MAX_DEPTH, MAX_VALUES};

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
