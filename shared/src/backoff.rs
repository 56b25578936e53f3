//! Delays between attempts to reach a server. The `backoff` crate is unmaintained, so only this file uses it.

use std::time::Duration;

use backoff::backoff::Backoff as _;

/// Delays that grow from 100 ms to a maximum, with jitter. They never end, so a server that returns after a day is found.
#[derive(Debug)]
pub struct Backoff(backoff::ExponentialBackoff);

impl Default for Backoff {
    /// Delays of up to 5 s.
    fn default() -> Self {
        Self::up_to(Duration::from_secs(5))
    }
}

impl Backoff {
    /// Delays of up to `max_delay`.
    pub fn up_to(max_delay: Duration) -> Self {
        let delays = backoff::ExponentialBackoffBuilder::new()
            .with_initial_interval(Duration::from_millis(100))
            .with_max_interval(max_delay)
            .with_max_elapsed_time(None)
            .build();
        Self(delays)
    }

    /// Sleeps for the next delay.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// Returns to short delays, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// The next delay, for callers that do not sleep.
    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_but_stay_below_eight_seconds_for_ever() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..1_000).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] <= Duration::from_millis(150));
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(8)));
        assert!(delays[900..].iter().all(|delay| *delay > Duration::from_secs(2)));
    }
}
