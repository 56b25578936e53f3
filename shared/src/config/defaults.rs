//! The default of every setting, as an operator reads it.

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");
