//! Command line of the bench. Without arguments all measurements are taken at full size.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::measurement::Measurement;

/// Measures careq-sync and the raw limits of the broker and the database.
#[derive(Debug, Parser)]
#[command(name = "careq-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: MeasureOptions,
}

/// Processes that the bench starts from its own program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A server that does only the necessary work of an ingress: its raw limit.
    #[command(hide = true)]
    Bare {
        /// Quorum queue to publish to; without one, every request is answered at once.
        #[arg(long)]
        queue: Option<String>,
        /// Key of the signatures.
        #[arg(long)]
        secret: String,
    },
}

/// Options of a run.
#[derive(Debug, Args)]
pub(crate) struct MeasureOptions {
    /// Small sizes: about five minutes, and results that are only a rough guide.
    #[arg(long)]
    pub(crate) short: bool,
    /// Only these measurements.
    #[arg(long, value_enum, value_name = "MEASUREMENT", num_args = 1..)]
    pub(crate) only: Vec<Measurement>,
    /// Number of repetitions instead of the usual one.
    #[arg(long, value_name = "COUNT")]
    pub(crate) repeats: Option<usize>,
    /// Build of careq-sync to measure instead of the one in the same folder as this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Also writes the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl MeasureOptions {
    /// The measurements to take, in their order.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = Measurement> {
        let all = Measurement::value_variants().iter().copied();
        all.filter(|measurement| self.only.is_empty() || self.only.contains(measurement))
    }

    /// Whether all measurements are taken at full size. Only such a run is recorded.
    pub(crate) fn is_whole(&self) -> bool {
        !self.short && self.only.is_empty() && self.repeats.is_none() && self.program.is_none()
    }
}
