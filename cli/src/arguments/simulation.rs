//! The arguments of `careq-sync simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::Output;

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
    /// Decides everything that is left to chance: the same seed, options and clinics send the same events.
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
    /// How long after its appointment a late patient comes, or at the end of the run, if that is earlier. Less than the
    /// installation's `worker.parent_timeout_s`.
    #[arg(long, value_name = "DELAY", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) late_after: Duration,
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
    /// Looks into this database, too; a URL as in `database.url`. Needs the installation's `seal.keys`.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
