//! Delays the answers to addresses that fail to authenticate repeatedly. Requests that authenticate are not delayed, and the number of
//! addresses is bounded.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use dashmap::DashMap;
use tokio::time::Instant;

use crate::client::network;

/// Failures that are answered without delay: a mistyped secret is not an attack.
const FREE_FAILURES: u32 = 5;

/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);

const MAX_DELAY: Duration = Duration::from_secs(2);

/// An address that has not failed for this long starts again at zero failures.
const RESET_AFTER: Duration = Duration::from_mins(1);

/// Beyond this number, each failure of an unknown address is delayed by [`MAX_DELAY`].
const MAX_ADDRESSES: usize = 10_000;

/// Extension of a response whose status is not 401, to a request that did not authenticate.
#[derive(Debug, Clone, Copy)]
pub struct AuthFailure;

/// Recent failures by address.
#[derive(Debug, Default)]
pub struct AuthFailures {
    by_address: DashMap<IpAddr, Recent>,
    swept_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    count: u32,
    last_at: Instant,
}

impl AuthFailures {
    /// Counts the failure if the response is one, and returns a future that waits for the delay. The request must have released its
    /// slot before: a delayed answer must not hold up other requests.
    pub fn delay_response(&self, address: IpAddr, response: &Response) -> impl Future<Output = ()> + use<> {
        let has_failed = response.status() == StatusCode::UNAUTHORIZED
            || response.extensions().get::<AuthFailure>().is_some();
        let delay = if has_failed { self.record(address) } else { Duration::ZERO };
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Records a failure and returns the delay of its answer.
    fn record(&self, address: IpAddr) -> Duration {
        let (address, now) = (network(address), Instant::now());
        if self.by_address.len() >= MAX_ADDRESSES && !self.by_address.contains_key(&address) {
            self.remove_expired(now);
            if self.by_address.len() >= MAX_ADDRESSES {
                return MAX_DELAY;
            }
        }
        let mut recent = self.by_address.entry(address).or_insert(Recent { count: 0, last_at: now });
        if now.duration_since(recent.last_at) >= RESET_AFTER {
            recent.count = 0;
        }
        recent.count = recent.count.saturating_add(1);
        recent.last_at = now;
        delay(recent.count)
    }

    /// Removes expired addresses, at most once a second: an attacker must not be able to cause a scan per request.
    fn remove_expired(&self, now: Instant) {
        let mut swept_at = self.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
        if swept_at.is_none_or(|swept_at| now.duration_since(swept_at) >= Duration::from_secs(1)) {
            *swept_at = Some(now);
            self.by_address.retain(|_, recent| now.duration_since(recent.last_at) < RESET_AFTER);
        }
    }
}

fn delay(count: u32) -> Duration {
    match count.checked_sub(FREE_FAILURES + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[tokio::test(start_paused = true)]
    async fn each_failure_doubles_the_delay_and_a_pause_resets_it() {
        let failures = AuthFailures::default();
        let delays_ms: Vec<_> = (0..12).map(|_| failures.record(address(1)).as_millis()).collect();
        assert_eq!(delays_ms, [0, 0, 0, 0, 0, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(failures.record(address(2)), Duration::ZERO, "another address is not delayed");
        tokio::time::advance(RESET_AFTER).await;
        assert_eq!(failures.record(address(1)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_if_many_addresses_fail() {
        let failures = AuthFailures::default();
        for number in 0..30_000 {
            failures.record(address(number));
        }
        assert_eq!(failures.by_address.len(), MAX_ADDRESSES);
        assert_eq!(failures.record(address(40_000)), MAX_DELAY);
        tokio::time::advance(RESET_AFTER).await;
        assert_eq!(failures.record(address(40_000)), Duration::ZERO);
        assert_eq!(failures.by_address.len(), 1);
    }
}
