//! The limits of the field rules that an installation sets (`[ingress]`).

use chrono::TimeDelta;

/// Limits of the field rules that the installation sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far a record's version may be ahead of its acceptance.
    pub max_clock_skew: TimeDelta,
    /// The longest notes, prescription, custom field, description or reason, in bytes of UTF-8.
    pub max_long_text_bytes: usize,
}

impl Limits {
    /// For records that were accepted before.
    pub const NONE: Self = Self { max_clock_skew: TimeDelta::MAX, max_long_text_bytes: usize::MAX };
}
