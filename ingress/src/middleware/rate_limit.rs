//! The rate limit of a clinic (API specification, "Rate Limiting"): a token bucket, in each ingress separately. Only verified requests
//! take from the clinic's bucket; failures have buckets by clinic and address.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use careq_http::{ApiError, network};
use careq_shared::clinics::Clinic;
use careq_shared::outcome::ErrorCode;
use careq_shared::telemetry::metrics::{No, metrics};
use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Above this number, full buckets are removed: a new bucket is the same.
const CLEANUP_THRESHOLD: usize = 1_024;

/// Maximum number of buckets of failures. At the limit all are removed: a limit by address does not stop this many addresses.
const MAX_FAILURE_BUCKETS: usize = 10_000;

/// The buckets of all clinics.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate_per_minute: u32,
    burst: u32,
    /// 0: the records of a batch cost nothing.
    records_per_token: u32,
    verified: Buckets,
    /// By clinic and address, so that a caller with the token but without the signing secret does not use up the clinic's rate.
    failed: Buckets,
}

/// The limit of a clinic.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_minute: u32,
    burst: u32,
}

/// The price of a request in tokens.
#[derive(Debug, Clone, Copy)]
struct Price {
    total: u64,
    /// The part that was taken before.
    paid: u64,
}

/// Buckets by clinic, or by clinic and address.
#[derive(Debug, Default)]
struct Buckets {
    by_key: DashMap<(String, Option<IpAddr>), Bucket>,
    /// The number of buckets after the last cleanup. The next one starts at twice as many.
    remaining_after_cleanup: AtomicUsize,
}

/// The tokens of a bucket at a time. In units of 1/60,000,000 token, a bucket grows by `per_minute` each microsecond.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    units: u64,
    updated_at: DateTime<Utc>,
    full_at: DateTime<Utc>,
}

/// The state of a bucket after a request, for the response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    rate_per_minute: u32,
    remaining: u64,
    full_at: DateTime<Utc>,
    /// Of a request beyond the rate.
    retry_after: Option<Duration>,
}

/// The clinic's allowances after each part of a request was counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Set once the request is verified and counted; `None` if the clinic has no limit.
    pub(crate) request: OnceLock<Option<Allowance>>,
    /// Set once the records of a batch are counted, if they cost tokens.
    pub(crate) records: OnceLock<Allowance>,
}

/// Units of one token.
const TOKEN: u64 = 60_000_000;

impl Price {
    const REQUEST: Self = Self { total: 1, paid: 0 };

    /// The price of a batch whose request is paid: one token more for each full `records_per_token` records. The total is at most the
    /// burst, since a bucket never has more tokens.
    fn of_batch(records: usize, records_per_token: u32, burst: u32) -> Self {
        let for_records = (records as u64).checked_div(records_per_token.into()).unwrap_or(0);
        Self { total: (1 + for_records).min(burst.into()), paid: 1 }
    }
}

impl RateLimiter {
    pub(crate) fn new(rate_per_minute: u32, burst: u32, records_per_token: u32) -> Self {
        let (verified, failed) = (Buckets::default(), Buckets::default());
        Self { rate_per_minute, burst, records_per_token, verified, failed }
    }

    /// Takes a token for a verified request; `None` if the clinic has no limit.
    pub(crate) fn take(&self, clinic: &Clinic, now: DateTime<Utc>) -> Option<Allowance> {
        let rate = self.rate(clinic)?;
        Some(self.verified.take((clinic.clinic_id.clone(), None), rate, Price::REQUEST, now))
    }

    /// Takes the tokens of a batch's records, besides the token of its request; `None` if they cost nothing. `Retry-After` is the time
    /// until the bucket has the tokens of both.
    pub(crate) fn take_for_records(
        &self,
        clinic: &Clinic,
        records: usize,
        now: DateTime<Utc>,
    ) -> Option<Allowance> {
        let rate = self.rate(clinic)?;
        let price = Price::of_batch(records, self.records_per_token, rate.burst);
        let take = || self.verified.take((clinic.clinic_id.clone(), None), rate, price, now);
        (price.total > price.paid).then(take)
    }

    /// Takes a token for a request that failed after its headers were authenticated.
    pub(crate) fn take_for_failure(
        &self,
        clinic: &Clinic,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Option<Allowance> {
        let rate = self.rate(clinic)?;
        if self.failed.by_key.len() >= MAX_FAILURE_BUCKETS {
            self.failed.by_key.clear();
        }
        let key = (clinic.clinic_id.clone(), Some(network(address)));
        Some(self.failed.take(key, rate, Price::REQUEST, now))
    }

    fn rate(&self, clinic: &Clinic) -> Option<Rate> {
        let per_minute = clinic.rate_per_minute.unwrap_or(self.rate_per_minute);
        let burst = clinic.rate_burst.unwrap_or(self.burst).max(1);
        (per_minute > 0).then_some(Rate { per_minute, burst })
    }
}

impl Buckets {
    fn take(
        &self,
        key: (String, Option<IpAddr>),
        limit: Rate,
        price: Price,
        now: DateTime<Utc>,
    ) -> Allowance {
        let rate = u64::from(limit.per_minute);
        let full = u64::from(limit.burst) * TOKEN;
        self.cleanup(now);
        let new = || Bucket { units: full, updated_at: now, full_at: now };
        let mut bucket = self.by_key.entry(key).or_insert_with(new);
        // A clock that was set back takes no tokens away.
        let elapsed_us =
            (now - bucket.updated_at).num_microseconds().unwrap_or(i64::MAX).max(0).unsigned_abs();
        bucket.units = bucket.units.saturating_add(elapsed_us.saturating_mul(rate)).min(full);
        bucket.updated_at = now;
        let taken = bucket.units.checked_sub((price.total - price.paid) * TOKEN);
        bucket.units = taken.unwrap_or(bucket.units);
        let missing_us = |units: u64, wanted: u64| (wanted - units).div_ceil(rate);
        #[expect(clippy::expect_used, reason = "a burst has at most 2^32 tokens of 6e7 units, below 2^63")]
        let full_in_us = i64::try_from(missing_us(bucket.units, full)).expect("a bucket fills within i64 µs");
        let retry_after = || Duration::from_micros(missing_us(bucket.units, price.total * TOKEN));
        let allowance = Allowance {
            rate_per_minute: limit.per_minute,
            remaining: bucket.units / TOKEN,
            full_at: now + TimeDelta::microseconds(full_in_us),
            retry_after: taken.is_none().then(retry_after),
        };
        bucket.full_at = allowance.full_at;
        allowance
    }

    fn cleanup(&self, now: DateTime<Utc>) {
        if self.by_key.len() > CLEANUP_THRESHOLD.max(2 * self.remaining_after_cleanup.load(Ordering::Relaxed))
        {
            self.by_key.retain(|_, bucket| bucket.full_at > now);
            self.remaining_after_cleanup.store(self.by_key.len(), Ordering::Relaxed);
        }
    }
}

impl Allowance {
    /// 429 for a request beyond the rate; counts the refusal.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        let Some(retry_after) = self.retry_after else { return Ok(()) };
        metrics().rate_limited_requests.get_or_create(&No {}).inc();
        // Rounded up, so that a client that waits exactly this long finds a token.
        let retry_after_s = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let message = "Too many requests; try again after the number of seconds in Retry-After";
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimitExceeded.as_str(), message)
            .with_retry_after(retry_after_s.max(1)))
    }
}

/// Adds the `X-RateLimit-*` headers, unless the clinic has no limit.
pub(crate) fn add_headers(allowance: Option<Allowance>, mut response: Response) -> Response {
    if let Some(Allowance { rate_per_minute, remaining, full_at, .. }) = allowance {
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
