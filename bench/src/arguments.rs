//! The command line of the bench. Without arguments it measures everything at full size.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::measure::Measurement;

/// Measures careq-sync beside the raw limits of the broker and the database.
#[derive(Debug, Parser)]
#[command(name = "careq-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
}

/// What the bench starts itself as.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The raw limit of an ingress, in a process of its own.
    #[command(hide = true)]
    Bare(Bare),
}

/// A server that does what an ingress cannot do without.
#[derive(Debug, Args)]
pub(crate) struct Bare {
    /// The quorum queue to publish to; without one, every request is answered at once.
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// The key of the signatures.
    #[arg(long)]
    pub(crate) secret: String,
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Measuring {
    /// Small sizes: two minutes, and figures to look at rather than to keep.
    #[arg(long)]
    pub(crate) short: bool,
    /// Only these measurements.
    #[arg(long, value_enum, value_name = "MEASUREMENT", num_args = 1..)]
    pub(crate) only: Vec<Measurement>,
    /// So many repetitions instead of the usual ones: for a quick look.
    #[arg(long, value_name = "COUNT")]
    pub(crate) repeats: Option<usize>,
    /// Another build of careq-sync than the one beside this program, to compare the two.
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Writes everything that was measured to this file, too, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Measuring {
    pub(crate) fn chosen(&self) -> impl Iterator<Item = Measurement> {
        Measurement::ALL.into_iter().filter(|each| self.only.is_empty() || self.only.contains(each))
    }

    /// Only such a run is worth keeping.
    pub(crate) fn is_whole(&self) -> bool {
        !self.short && self.only.is_empty() && self.repeats.is_none() && self.program.is_none()
    }
}
