//! The argument of every command that prints a result.

use clap::Args;

/// The output format.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Prints JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}
