//! The command line. Every word here is relied on by scripts: it may be added to, never changed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// The receiving side of `CareQ`'s clinic-booking webhooks.
///
/// Without a command, everything runs in this one process, with its data in the folder careq-data.
#[derive(Debug, Parser)]
#[command(name = "careq-sync", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Settings that differ from the defaults (see config.default.toml); the environment wins over them.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ingress and worker in one process (the default).
    Standalone,
    /// Takes `CareQ`'s requests; needs `RabbitMQ`. Any number may run behind a load balancer.
    Ingress,
    /// Stores what was accepted; needs `RabbitMQ`. Any number may run.
    Worker,
    /// Brings the database's tables up to date.
    Migrate,
    /// Makes and changes the clinics that may call.
    #[command(subcommand)]
    Clinic(ClinicCommand),
}

/// What to do with clinics.
#[derive(Debug, Subcommand)]
pub(crate) enum ClinicCommand {
    /// Makes a clinic and prints its token, which is shown only once.
    Add(OneClinic),
    /// Lists all clinics.
    List(Output),
    /// Gives a clinic a new token and prints it once; the old ones stay valid for the overlap.
    Rotate {
        #[command(flatten)]
        clinic: OneClinic,
        /// How long the old tokens stay valid, such as 24h or 30m.
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Changes what holds for one clinic only.
    Configure {
        #[command(flatten)]
        clinic: OneClinic,
        /// How long its answers may wait for their results, at most 25000; 0 never waits. Without it, the settings hold.
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(..=25_000))]
        answer_within_ms: Option<u16>,
    },
    /// Refuses a clinic's requests from now on. Its records stay.
    Disable(OneClinic),
}

/// The clinic to work on.
#[derive(Debug, Args)]
pub(crate) struct OneClinic {
    /// `CareQ`'s name of the clinic, as in the `clinic_id` of its requests.
    #[arg(value_name = "ID")]
    pub(crate) clinic_id: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Prints JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}
