//! Result of sending requests: the number of responses and their latencies.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::statistics::to_f64;

/// Largest latency that is recorded, in microseconds. Larger ones count as this one.
const MAX_LATENCY_US: u64 = 60_000_000;

/// Significant decimal digits of a recorded latency.
const LATENCY_DIGITS: u8 = 2;

#[derive(Debug, Clone)]
pub(crate) struct LoadResult {
    pub(crate) took: Duration,
    latencies_us: Histogram<u64>,
    /// Responses without a result (202).
    without_result: u64,
}

impl LoadResult {
    pub(super) fn new() -> Result<Self> {
        let latencies_us = Histogram::new_with_bounds(1, MAX_LATENCY_US, LATENCY_DIGITS)?;
        Ok(Self { took: Duration::ZERO, latencies_us, without_result: 0 })
    }

    pub(super) fn record(&mut self, status: u16, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY_US);
        self.latencies_us.saturating_record(latency_us);
        self.without_result += u64::from(status == 202);
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        self.latencies_us.add(&other.latencies_us)?;
        self.without_result += other.without_result;
        Ok(())
    }

    /// Number of responses.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies_us.len()
    }

    /// Share of responses without a result, as a percentage.
    pub(crate) fn without_result_percent(&self) -> f64 {
        100.0 * to_f64(self.without_result) / to_f64(self.answered())
    }

    pub(crate) fn per_second(&self) -> f64 {
        to_f64(self.answered()) / self.took.as_secs_f64()
    }

    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        to_f64(self.latencies_us.value_at_quantile(quantile)) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_are_of_all_responses() {
        let (mut sum, mut other) = (LoadResult::new().unwrap(), LoadResult::new().unwrap());
        sum.record(200, Duration::from_millis(1));
        for _ in 0..3 {
            other.record(202, Duration::from_millis(5));
        }
        sum.add(&other).unwrap();
        sum.took = Duration::from_secs(2);
        assert_eq!(sum.answered(), 4);
        assert!((sum.per_second() - 2.0).abs() < 1e-9);
        assert!((sum.without_result_percent() - 75.0).abs() < 1e-9);
        assert!((sum.latency_ms(0.5) - 5.0).abs() < 0.1, "a latency has two digits");
    }
}
