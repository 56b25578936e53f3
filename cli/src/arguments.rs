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
    /// Plays `CareQ` against a running installation, and checks that nothing is lost, doubled or wrong.
    Simulate(Simulation),
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

/// What to play.
#[derive(Debug, Args)]
pub(crate) struct Simulation {
    /// Where an ingress listens; again for each of several. Without it, where the settings say.
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// The clinics to call as: a file of what `clinic add ID --json` printed, one a line. Without it, those of the settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) clinics: Option<PathBuf>,
    /// About how many events to send.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) events: u64,
    /// Decides everything that is left to chance; the same seed sends the same events.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Requests per second. Without it, as fast as answers come.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Requests that may be under way at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub(crate) connections: u16,
    /// Mixes the requests of many bookings, so that children come before their parents.
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Share of requests that are sent three times.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) repeat: u8,
    /// Share of bookings whose patient comes late, or never.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) orphans: u8,
    /// Share of bookings that must be refused instead.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) poison: u8,
    /// Share of bookings that come as a batch.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) batches: u8,
    /// The delay before the first retry, which doubles twice; the specification says 5s.
    #[arg(long, value_name = "DELAY", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) retry_after: Duration,
    /// How long an answer may take; the specification says 30s.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// How long the installation may take, after the last answer, until everything is settled.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) settle_within: Duration,
    /// Looks into this database, too; a URL as in `database.url`.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
