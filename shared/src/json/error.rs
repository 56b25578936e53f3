//! The limits of a body, and the reasons why it is not a JSON object. None of them quotes the body.

/// The maximum number of values in a body: texts, numbers, `true`, `false`, `null`, lists and objects. A batch of a
/// thousand patients with all fields has 28,000.
pub const MAX_VALUES: usize = 50_000;

/// The maximum depth of lists and objects, including the body itself.
pub const MAX_DEPTH: usize = 64;

/// The reason why bytes are not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NotAnObject {
    /// RFC 8259, 8.1.
    #[error("The body is not valid UTF-8")]
    Utf8,
    /// The body has no JSON value, or more than one. The line counts from 1, and the column in bytes.
    #[error("The body is not valid JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("The body must be a JSON object")]
    OtherValue,
    #[error("The body has more than {MAX_DEPTH} lists and objects within each other")]
    TooDeep,
    #[error("The body has more than {MAX_VALUES} values")]
    TooManyValues,
}
