//! The rate of a clinic (API specification, "Rate Limiting"): a bucket of tokens, one for each verified request. Each ingress
//! counts for itself. A request that proves only the token must never take a token of the clinic's bucket.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use careq_http::network;
use careq_shared::clinics::Clinic;
use careq_shared::clock;
use careq_shared::telemetry::metrics::{No, metrics};
use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

use crate::problem::Problem;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Beyond so many buckets, those that are full again are dropped: a new one is the same.
const TIDY_BEYOND: usize = 1_024;

/// Most buckets of failures. With one more they all begin anew, full: who fails from so many addresses is not stopped by address.
const MAX_FAILING: usize = 10_000;

/// The buckets of all clinics: for requests that are verified, and for those that are not.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate_per_minute: u32,
    burst: u32,
    verified: Buckets<String>,
    /// By clinic and address: who has a clinic's token, but not its signing secret, uses up nothing of the clinic's.
    failed: Buckets<(String, IpAddr)>,
}

/// What a clinic is allowed.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_minute: u32,
    burst: u32,
}

/// Buckets of one kind.
#[derive(Debug)]
struct Buckets<K: Eq + Hash> {
    by_key: DashMap<K, Bucket>,
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
        Self { rate_per_minute, burst, verified: Buckets::new(), failed: Buckets::new() }
    }

    /// Takes a token for a verified request of this clinic.
    pub(crate) fn take(&self, clinic: &Clinic) -> Result<Option<Allowance>, Refusal> {
        self.take_at(clinic, clock::now())
    }

    fn take_at(&self, clinic: &Clinic, now: DateTime<Utc>) -> Result<Option<Allowance>, Refusal> {
        let Some(rate) = self.rate(clinic) else { return Ok(None) };
        self.verified.take(clinic.clinic_id.clone(), rate, now).map(Some)
    }

    /// Takes a token for a request with the head of this clinic that was not verified.
    pub(crate) fn fail(&self, clinic: &Clinic, address: IpAddr) -> Result<(), Refusal> {
        self.fail_at(clinic, address, clock::now())
    }

    fn fail_at(&self, clinic: &Clinic, address: IpAddr, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Some(rate) = self.rate(clinic) else { return Ok(()) };
        if self.failed.by_key.len() >= MAX_FAILING {
            self.failed.by_key.clear();
        }
        self.failed.take((clinic.clinic_id.clone(), network(address)), rate, now).map(drop)
    }

    fn rate(&self, clinic: &Clinic) -> Option<Rate> {
        let per_minute = clinic.rate_per_minute.unwrap_or(self.rate_per_minute);
        let burst = clinic.rate_burst.unwrap_or(self.burst).max(1);
        (per_minute > 0).then_some(Rate { per_minute, burst })
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn new() -> Self {
        Self { by_key: DashMap::new(), kept: AtomicUsize::new(0) }
    }

    fn take(&self, key: K, limit: Rate, now: DateTime<Utc>) -> Result<Allowance, Refusal> {
        let rate = u64::from(limit.per_minute);
        let full = u64::from(limit.burst) * MICROTOKENS;
        self.tidy(now);
        let fresh = || Bucket { microtokens: full, at: now, full_at: now };
        let mut bucket = self.by_key.entry(key).or_insert_with(fresh);
        // A clock that was set back must not take tokens away.
        let passed_us = u64::try_from((now - bucket.at).num_microseconds().unwrap_or(i64::MAX)).unwrap_or(0);
        bucket.microtokens = bucket.microtokens.saturating_add(passed_us.saturating_mul(rate)).min(full);
        bucket.at = now;
        let taken = bucket.microtokens.checked_sub(MICROTOKENS);
        bucket.microtokens = taken.unwrap_or(bucket.microtokens);
        let missing_us = |microtokens: u64, wanted: u64| (wanted - microtokens).div_ceil(rate);
        let full_in_us = i64::try_from(missing_us(bucket.microtokens, full)).unwrap_or(i64::MAX);
        let allowance = Allowance {
            rate_per_minute: limit.per_minute,
            remaining: bucket.microtokens / MICROTOKENS,
            full_at: now + TimeDelta::microseconds(full_in_us),
        };
        bucket.full_at = allowance.full_at;
        match taken {
            Some(_) => Ok(allowance),
            None => Err(Refusal {
                allowance,
                retry_after: Duration::from_micros(missing_us(bucket.microtokens, MICROTOKENS)),
            }),
        }
    }

    fn tidy(&self, now: DateTime<Utc>) {
        if self.by_key.len() > TIDY_BEYOND.max(2 * self.kept.load(Ordering::Relaxed)) {
            self.by_key.retain(|_, bucket| bucket.full_at > now);
            self.kept.store(self.by_key.len(), Ordering::Relaxed);
        }
    }
}

/// A request that came too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) allowance: Allowance,
    retry_after: Duration,
}

impl Refusal {
    /// 429.
    pub(crate) fn problem(self) -> Problem {
        metrics().rate_limited_requests.get_or_create(&No {}).inc();
        // Rounded up: a client that waits exactly so long finds a token.
        let retry_after_s =
            u64::try_from(self.retry_after.as_micros().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Problem::rate_limit_exceeded(retry_after_s.max(1))
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
