//! The limits of the field rules that an installation sets (`[ingress]`).

use chrono::TimeDelta;

/// The limits of the field rules that an installation sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum lead of a record's version over its acceptance.
    pub max_clock_skew: TimeDelta,
    /// The maximum size of notes, prescription, custom field, description or reason, in bytes of UTF-8.
    pub max_long_text_bytes: usize,
}

impl Limits {
    /// No limits, for records that were accepted before.
    pub const NONE: Self = Self { max_clock_skew: TimeDelta::MAX, max_long_text_bytes: usize::MAX };
}
