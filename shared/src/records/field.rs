//! The field rules as data, for descriptions of the API and of payloads. They are recorded by the form that reads the
//! fields, and never written by hand.

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The specification's name of the field.
    pub name: &'static str,
    /// Whether a record without the field is refused.
    pub is_required: bool,
    /// The rule of its value.
    pub rule: Rule,
}

/// The rule of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the limits speak for themselves")]
pub enum Rule {
    /// A positive 64-bit integer.
    Id,
    /// Text without a NUL character.
    Text { max_characters: usize },
    /// Text without a NUL character, of at most [`Limits::max_long_text_bytes`](super::Limits).
    LongText,
    /// Long text, or any JSON object or array whose canonical text has the same limit.
    TextOrJson,
    /// Ten digits.
    Phone,
    /// An address (RFC 5321).
    Email { max_characters: usize },
    /// A word of a list.
    OneOf { words: &'static [&'static str] },
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
