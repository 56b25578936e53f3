//! The rate of a clinic (API specification, "Rate Limiting"): a bucket of tokens, one for each request. Each ingress counts
//! for itself. It must never hold more than one bucket a clinic, so that its memory is bounded by the clinics.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use careq_shared::clock;
use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

use crate::problem::Problem;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The buckets of all clinics.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate_per_minute: u32,
    burst: u32,
    buckets: DashMap<String, Bucket>,
}

/// Tokens at a moment, in millionths of a token: they grow by whole numbers each microsecond.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    microtokens: u64,
    at: DateTime<Utc>,
}

/// What is left to a clinic; `None` where nothing limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    rate_per_minute: u32,
    remaining: u64,
    full_at: DateTime<Utc>,
}

const MICROTOKENS: u64 = 60_000_000;

impl Limiter {
    pub(crate) fn new(rate_per_minute: u32, burst: u32) -> Self {
        Self { rate_per_minute, burst, buckets: DashMap::new() }
    }

    /// Takes a token for a request of this clinic.
    pub(crate) fn take(&self, clinic_id: &str) -> Result<Option<Allowance>, Refusal> {
        self.take_at(clinic_id, clock::now())
    }

    fn take_at(&self, clinic_id: &str, now: DateTime<Utc>) -> Result<Option<Allowance>, Refusal> {
        if self.rate_per_minute == 0 {
            return Ok(None);
        }
        let full = u64::from(self.burst) * MICROTOKENS;
        let fresh = || Bucket { microtokens: full, at: now };
        let mut bucket = self.buckets.entry(clinic_id.to_owned()).or_insert_with(fresh);
        // A clock that was set back must not take tokens away.
        let passed_us = u64::try_from((now - bucket.at).num_microseconds().unwrap_or(i64::MAX)).unwrap_or(0);
        let rate = u64::from(self.rate_per_minute);
        bucket.microtokens = bucket.microtokens.saturating_add(passed_us.saturating_mul(rate)).min(full);
        bucket.at = now;
        let taken = bucket.microtokens.checked_sub(MICROTOKENS);
        bucket.microtokens = taken.unwrap_or(bucket.microtokens);
        let missing_us = |microtokens: u64, wanted: u64| (wanted - microtokens).div_ceil(rate);
        let full_in_us = i64::try_from(missing_us(bucket.microtokens, full)).unwrap_or(i64::MAX);
        let allowance = Allowance {
            rate_per_minute: self.rate_per_minute,
            remaining: bucket.microtokens / MICROTOKENS,
            full_at: now + TimeDelta::microseconds(full_in_us),
        };
        match taken {
            Some(_) => Ok(Some(allowance)),
            None => Err(Refusal {
                allowance,
                retry_after: Duration::from_micros(missing_us(bucket.microtokens, MICROTOKENS)),
            }),
        }
    }
}

/// A request that came too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    allowance: Allowance,
    retry_after: Duration,
}

impl Refusal {
    pub(crate) fn into_response(self) -> Response {
        // Rounded up: a client that waits exactly so long finds a token.
        let retry_after_s =
            u64::try_from(self.retry_after.as_micros().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        announce(Some(self.allowance), Problem::rate_limit_exceeded(retry_after_s.max(1)).into_response())
    }
}

/// Writes the three headers.
pub(crate) fn announce(allowance: Option<Allowance>, mut response: Response) -> Response {
    if let Some(Allowance { rate_per_minute, remaining, full_at }) = allowance {
        let full_at_s = full_at.timestamp_micros().div_euclid(1_000_000)
            + i64::from(full_at.timestamp_subsec_micros() > 0);
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(rate_per_minute));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(full_at_s));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_000_000 + micros).unwrap()
    }

    #[test]
    fn a_burst_passes_then_one_request_each_600_ms() {
        let limiter = Limiter::new(100, 200);
        for left in (0..200).rev() {
            let allowance = limiter.take_at("clinic_abc", at(0)).unwrap().unwrap();
            assert_eq!(allowance.remaining, left);
        }
        let refusal = limiter.take_at("clinic_abc", at(0)).unwrap_err();
        assert_eq!(refusal.retry_after, Duration::from_millis(600));
        assert_eq!(refusal.allowance.full_at, at(120_000_000));
        assert!(limiter.take_at("clinic_abc", at(599_999)).is_err());
        assert!(limiter.take_at("clinic_abc", at(600_000)).is_ok());
        assert!(limiter.take_at("clinic_abc", at(600_001)).is_err());
        assert!(limiter.take_at("another_clinic", at(600_001)).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_takes_nothing_away() {
        let limiter = Limiter::new(60, 2);
        assert!(limiter.take_at("clinic_abc", at(10_000_000)).is_ok());
        assert!(limiter.take_at("clinic_abc", at(0)).is_ok());
        assert!(limiter.take_at("clinic_abc", at(0)).is_err());
        assert!(limiter.take_at("clinic_abc", at(1_000_000)).is_ok());
    }
}
