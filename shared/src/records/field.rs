//! The field rules as data, for those who describe the API or a payload. It must never be written by hand what a field's rule is:
//! the form that reads the field says it.

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The specification's name.
    pub name: &'static str,
    /// Whether a record without it is refused.
    pub is_required: bool,
    /// What its value must be.
    pub rule: Rule,
}

/// What the value of a field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A positive 64-bit integer.
    Id,
    /// Text without a NUL character.
    Text {
        /// Its most characters.
        max_characters: usize,
    },
    /// Text without a NUL character, of at most [`Limits::max_long_text_bytes`](super::Limits).
    LongText,
    /// The same, or any JSON object or array, whose canonical text has the same limit.
    TextOrJson,
    /// Ten digits.
    Phone,
    /// An address by RFC 5321.
    Email {
        /// Its most characters.
        max_characters: usize,
    },
    /// One of some words.
    OneOf {
        /// The words.
        words: &'static [&'static str],
    },
    /// `#rrggbb`
    Color,
    /// `YYYY-MM-DD`
    Date,
    /// ISO 8601 with an offset.
    Instant,
    /// A whole number, not negative.
    Minutes,
    /// A decimal of at most 18 digits, at most 4 of them after the point.
    Price,
    /// `true` or `false`
    Boolean,
}
