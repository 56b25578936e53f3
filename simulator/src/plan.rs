//! Plan of a run. The same plan with the same seed sends the same events again.

use std::time::Duration;

use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;

use crate::clinic::Clinic;

/// Parameters of one run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Base URLs of the ingresses, without the API's path; requests go to them in turn.
    pub targets: Vec<String>,
    /// Clinics whose bookings are sent; each once.
    pub clinics: Vec<Clinic>,
    /// Seed of the random number generator.
    pub seed: u64,
    /// Approximate number of events; bookings are sent whole.
    pub events: u64,
    /// Requests per second; with `None` each connection sends its next request after the last response.
    pub rate_per_second: Option<u32>,
    /// Maximum number of concurrent requests.
    pub connections: usize,
    /// Deviations from the usual order.
    pub disorder: Disorder,
    /// Delay before the first retry of a request that is not accepted. It doubles with each further retry.
    pub retry_after: Duration,
    /// Timeout of an attempt.
    pub timeout: Duration,
    /// Maximum time from the last response until every event is settled.
    pub settle_within: Duration,
}

/// Deviations from the usual order. Shares are percentages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disorder {
    /// Whether the requests of several bookings are shuffled.
    pub shuffle: bool,
    /// Share of requests that are sent three times.
    pub repeat_percent: u8,
    /// Share of bookings whose patient arrives late or never.
    pub orphan_percent: u8,
    /// Delay of a late patient after its appointment. The end of the run ends the delay.
    pub late_after: Duration,
    /// Share of scenarios whose requests must be refused.
    pub poison_percent: u8,
    /// Share of bookings that are sent as a batch.
    pub batch_percent: u8,
}

/// Database of the installation with the keys of its sealed values.
#[derive(Debug)]
pub struct Store {
    /// The installation's database.
    pub database: DatabaseConnection,
    /// The keys of its sealed values.
    pub seal: Seal,
}
