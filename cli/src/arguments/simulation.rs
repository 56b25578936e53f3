//! The arguments of `careq-sync simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::Output;

/// The arguments of `careq-sync simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulation {
    /// URL of an ingress; repeatable. Default: the address in the settings.
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// File with the output of `clinic add ID --json`, one clinic a line. Default: the clinics in the settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) clinics: Option<PathBuf>,
    /// Approximate number of events.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) events: u64,
    /// Seed of the random generator: the same seed, options and clinics send the same events.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Requests per second. Default: as fast as responses arrive.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Concurrent requests.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub(crate) connections: u16,
    /// Shuffles the requests of many bookings, so that children arrive before their parents.
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Percentage of requests that are sent three times.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) repeat: u8,
    /// Percentage of bookings whose patient arrives late, or never.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) orphans: u8,
    /// Delay of a late patient after its appointment. It arrives at the end of the run, if that is earlier. The delay must be less than
    /// the installation's `worker.parent_timeout_s`.
    #[arg(long, value_name = "DELAY", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) late_after: Duration,
    /// Percentage of invalid bookings, which must be refused.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) poison: u8,
    /// Percentage of bookings that are sent as a batch.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) batches: u8,
    /// Delay before the first retry, which doubles twice; 5s in the specification.
    #[arg(long, value_name = "DELAY", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) retry_after: Duration,
    /// Timeout of a response; 30s in the specification.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Time after the last response in which the installation must settle all events.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) settle_within: Duration,
    /// Also checks this database; a URL as in `database.url`. Needs the installation's `seal.keys`.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
