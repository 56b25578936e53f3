//! The default of every setting, as an operator reads it.

/// The documented defaults, `config.default.toml`.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");
