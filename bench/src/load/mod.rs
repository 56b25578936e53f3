//! The generator: webhooks of the simulator's bookings, over a wire that costs the machine as little as can be. It must never
//! be what is measured: `generator` measures it.

mod requests;
mod wire;

mod closed;
mod open;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

pub(crate) use closed::{at_full_speed, every_one};
pub(crate) use open::at_rate;
pub(crate) use requests::Requests;

use crate::repeat::number;

/// The longest latency that is told apart, in microseconds; shorter ones are to within a hundredth.
const LONGEST_US: u64 = 60_000_000;

/// The body of a page.
pub(crate) async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    wire::Wire::to(address).await?.page(path).await
}

/// What came of some requests.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) took: Duration,
    /// In microseconds.
    latencies_us: Histogram<u64>,
    by_status: BTreeMap<u16, u64>,
}

impl Load {
    fn none() -> anyhow::Result<Self> {
        let latencies_us = Histogram::new_with_bounds(1, LONGEST_US, 2)?;
        Ok(Self { took: Duration::ZERO, latencies_us, by_status: BTreeMap::new() })
    }

    fn note(&mut self, status: u16, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        self.latencies_us.saturating_record(latency_us);
        *self.by_status.entry(status).or_default() += 1;
    }

    fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies_us.add(&other.latencies_us)?;
        for (status, count) in &other.by_status {
            *self.by_status.entry(*status).or_default() += count;
        }
        Ok(())
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies_us.len()
    }

    /// Answers that say that the result is not known yet, in hundredths.
    pub(crate) fn later_percent(&self) -> f64 {
        let later = self.by_status.get(&202).copied().unwrap_or_default();
        100.0 * number(later) / number(self.answered())
    }

    pub(crate) fn per_second(&self) -> f64 {
        number(self.answered()) / self.took.as_secs_f64()
    }

    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        number(self.latencies_us.value_at_quantile(quantile)) / 1_000.0
    }
}
