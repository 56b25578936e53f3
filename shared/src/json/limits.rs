//! The limits of a body.

/// Most values of a body: texts, numbers, `true`, `false`, `null`, lists and objects. A batch of a thousand patients with all fields has
/// 28,000.
pub const MAX_VALUES: usize = 50_000;

/// Most lists and objects within each other, the body itself included.
pub const MAX_DEPTH: usize = 64;
