//! The rate of a clinic (API specification, "Rate Limiting"): a bucket of tokens, one for each request. Each ingress counts
//! for itself. It must never hold a bucket but of a clinic that has proven itself: its memory is bounded by the clinics.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use careq_shared::clinics::Clinic;
use careq_shared::clock;
use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

use crate::problem::Problem;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Beyond so many buckets, those that are full again are dropped: a new one is the same.
const TIDY_BEYOND: usize = 1_024;

/// The buckets of all clinics.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate_per_minute: u32,
    burst: u32,
    buckets: DashMap<String, Bucket>,
    /// Buckets that the last tidying left: the next one waits until there are twice as many.
    kept: AtomicUsize,
}

/// Tokens at a moment, in millionths of a token: they grow by whole numbers each microsecond.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    microtokens: u64,
    at: DateTime<Utc>,
    full_at: DateTime<Utc>,
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
        Self { rate_per_minute, burst, buckets: DashMap::new(), kept: AtomicUsize::new(0) }
    }

    /// Takes a token for a request of this clinic.
    pub(crate) fn take(&self, clinic: &Clinic) -> Result<Option<Allowance>, Refusal> {
        self.take_at(clinic, clock::now())
    }

    fn take_at(&self, clinic: &Clinic, now: DateTime<Utc>) -> Result<Option<Allowance>, Refusal> {
        let rate_per_minute = clinic.rate_per_minute.unwrap_or(self.rate_per_minute);
        if rate_per_minute == 0 {
            return Ok(None);
        }
        let rate = u64::from(rate_per_minute);
        let full = u64::from(clinic.rate_burst.unwrap_or(self.burst).max(1)) * MICROTOKENS;
        self.tidy(now);
        let fresh = || Bucket { microtokens: full, at: now, full_at: now };
        let mut bucket = self.buckets.entry(clinic.clinic_id.clone()).or_insert_with(fresh);
        // A clock that was set back must not take tokens away.
        let passed_us = u64::try_from((now - bucket.at).num_microseconds().unwrap_or(i64::MAX)).unwrap_or(0);
        bucket.microtokens = bucket.microtokens.saturating_add(passed_us.saturating_mul(rate)).min(full);
        bucket.at = now;
        let taken = bucket.microtokens.checked_sub(MICROTOKENS);
        bucket.microtokens = taken.unwrap_or(bucket.microtokens);
        let missing_us = |microtokens: u64, wanted: u64| (wanted - microtokens).div_ceil(rate);
        let full_in_us = i64::try_from(missing_us(bucket.microtokens, full)).unwrap_or(i64::MAX);
        let allowance = Allowance {
            rate_per_minute,
            remaining: bucket.microtokens / MICROTOKENS,
            full_at: now + TimeDelta::microseconds(full_in_us),
        };
        bucket.full_at = allowance.full_at;
        match taken {
            Some(_) => Ok(Some(allowance)),
            None => Err(Refusal {
                allowance,
                retry_after: Duration::from_micros(missing_us(bucket.microtokens, MICROTOKENS)),
            }),
        }
    }

    fn tidy(&self, now: DateTime<Utc>) {
        if self.buckets.len() > TIDY_BEYOND.max(2 * self.kept.load(Ordering::Relaxed)) {
            self.buckets.retain(|_, bucket| bucket.full_at > now);
            self.kept.store(self.buckets.len(), Ordering::Relaxed);
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
mod tests;
