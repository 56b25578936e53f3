//! Plan of a run. The same plan with the same seed sends the same events again.

use std::time::Duration;

use crate::clinic::Clinic;

/// Parameters of one run.
#[derive(Debug, Clone)]
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
    /// Retries of requests that are not accepted.
    pub retry: Retry,
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

/// `CareQ`'s retries (API specification, "Retry Logic").
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Delay before the first retry. It doubles with each further retry.
    pub first_delay: Duration,
    /// Timeout of an attempt.
    pub timeout: Duration,
}

impl Retry {
    /// Retries after the first attempt.
    const MAX_RETRIES: u32 = 3;

    /// Delays before the retries: 5 s, 10 s and 20 s by the specification.
    pub(crate) fn delays(self) -> impl Iterator<Item = Duration> {
        (0..Self::MAX_RETRIES).map(move |doublings| self.first_delay * 2_u32.pow(doublings))
    }
}
