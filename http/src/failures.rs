//! Failures by address: whoever fails again and again waits for the answer. It must never hold up a request that proves what
//! it has to, even from the same address, nor keep more than a bounded number of addresses.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use dashmap::DashMap;
use tokio::time::Instant;

use crate::client::network;

/// So many failures are answered at once: a mistyped secret is no attack.
const ANSWERED_AT_ONCE: u32 = 5;

/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);

const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// After so long without a failure, an address begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// Beyond, every failure of an address that is not known yet waits longest.
const MAX_ADDRESSES: usize = 10_000;

/// Put beside an answer that is no 401, to a request that has not proven what it has to.
#[derive(Debug, Clone, Copy)]
pub struct Unproven;

/// Recent failures.
#[derive(Debug)]
pub struct Failures {
    by_address: DashMap<IpAddr, Recent>,
    swept_at: Mutex<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    count: u32,
    last_at: Instant,
}

impl Default for Failures {
    fn default() -> Self {
        Self::new()
    }
}

impl Failures {
    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self { by_address: DashMap::new(), swept_at: Mutex::new(Instant::now()) }
    }

    /// Holds an answer back if it refuses somebody who fails again and again. It must have given back its place by then: whoever
    /// waits here holds up nobody.
    pub fn hold_back(&self, address: IpAddr, answer: &Response) -> impl Future<Output = ()> + use<> {
        let has_failed =
            answer.status() == StatusCode::UNAUTHORIZED || answer.extensions().get::<Unproven>().is_some();
        let delay = if has_failed { self.note(address) } else { Duration::ZERO };
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Notes a failure, and how long its answer is to be held back.
    fn note(&self, address: IpAddr) -> Duration {
        let (address, now) = (network(address), Instant::now());
        if self.by_address.len() >= MAX_ADDRESSES && !self.by_address.contains_key(&address) {
            self.forget(now);
            if self.by_address.len() >= MAX_ADDRESSES {
                return LONGEST_DELAY;
            }
        }
        let mut recent = self.by_address.entry(address).or_insert(Recent { count: 0, last_at: now });
        if now.duration_since(recent.last_at) >= FORGOTTEN_AFTER {
            recent.count = 0;
        }
        recent.count = recent.count.saturating_add(1);
        recent.last_at = now;
        delay(recent.count)
    }

    /// Drops what is old, at most once a second: looking through everything must not be what an attacker can ask for.
    fn forget(&self, now: Instant) {
        let mut swept_at = self.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*swept_at) >= Duration::from_secs(1) {
            *swept_at = now;
            self.by_address.retain(|_, recent| now.duration_since(recent.last_at) < FORGOTTEN_AFTER);
        }
    }
}

fn delay(count: u32) -> Duration {
    match count.checked_sub(ANSWERED_AT_ONCE + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_and_longer_and_are_forgotten() {
        let failures = Failures::new();
        let delays_ms: Vec<_> = (0..12).map(|_| failures.note(address(1)).as_millis()).collect();
        assert_eq!(delays_ms, [0, 0, 0, 0, 0, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(failures.note(address(2)), Duration::ZERO, "another address has nothing to do with it");
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert_eq!(failures.note(address(1)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_however_many_addresses_fail() {
        let failures = Failures::new();
        for number in 0..30_000 {
            failures.note(address(number));
        }
        assert_eq!(failures.by_address.len(), MAX_ADDRESSES);
        assert_eq!(failures.note(address(40_000)), LONGEST_DELAY);
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert_eq!(failures.note(address(40_000)), Duration::ZERO);
        assert_eq!(failures.by_address.len(), 1);
    }
}
