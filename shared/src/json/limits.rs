//! The limits of a body.

/// The maximum number of values in a body: texts, numbers, `true`, `false`, `null`, lists and objects. A batch of a
/// thousand patients with all fields has 28,000.
pub const MAX_VALUES: usize = 50_000;

/// The maximum depth of lists and objects, including the body itself.
pub const MAX_DEPTH: usize = 64;
