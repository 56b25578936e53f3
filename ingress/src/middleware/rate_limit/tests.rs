//! The rate limit of a clinic, and a comparison with the generic cell rate algorithm.

use axum::response::IntoResponse as _;
use proptest::prelude::*;

use super::*;
use crate::clinic_cache;

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_700_000_000_000_000 + micros).unwrap()
}

fn clinic(clinic_id: &str) -> Clinic {
    Clinic { clinic_id: clinic_id.to_owned(), ..clinic_cache::placeholder() }
}

/// What a request has to wait; `None` if it passes.
fn wait(limiter: &RateLimiter, clinic: &Clinic, micros: i64) -> Option<Duration> {
    limiter.take(clinic, at(micros)).unwrap().retry_after
}

#[test]
fn a_burst_passes_then_one_request_each_600_ms() {
    let (limiter, clinic_abc) = (RateLimiter::new(100, 200, 0), clinic("clinic_abc"));
    for left in (0..200).rev() {
        let allowance = limiter.take(&clinic_abc, at(0)).unwrap();
        assert_eq!((allowance.remaining, allowance.retry_after), (left, None));
    }
    let refusal = limiter.take(&clinic_abc, at(0)).unwrap();
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(600)));
    assert_eq!(refusal.full_at, at(120_000_000));
    assert!(wait(&limiter, &clinic_abc, 599_999).is_some());
    assert_eq!(wait(&limiter, &clinic_abc, 600_000), None);
    assert!(wait(&limiter, &clinic_abc, 600_001).is_some());
    assert_eq!(wait(&limiter, &clinic("another_clinic"), 600_001), None);
}

#[test]
fn a_clock_that_is_set_back_takes_no_tokens_away() {
    let (limiter, clinic) = (RateLimiter::new(60, 2, 0), clinic("clinic_abc"));
    let passes = [10_000_000, 0, 0, 1_000_000].map(|micros| wait(&limiter, &clinic, micros).is_none());
    assert_eq!(passes, [true, true, false, true]);
}

#[test]
fn a_clinic_can_have_its_own_rate() {
    let limiter = RateLimiter::new(100, 200, 0);
    let slow = Clinic { rate_per_minute: Some(1), rate_burst: Some(1), ..clinic("slow") };
    assert_eq!(wait(&limiter, &slow, 0), None);
    assert_eq!(wait(&limiter, &slow, 0), Some(Duration::from_mins(1)));
    let free = Clinic { rate_per_minute: Some(0), ..clinic("free") };
    assert_eq!(limiter.take(&free, at(0)), None);
    // A changed rate applies from the next request on.
    let quicker = Clinic { rate_per_minute: Some(60), ..slow };
    assert_eq!(wait(&limiter, &quicker, 0), Some(Duration::from_secs(1)));
}

#[test]
fn the_price_of_a_batch_is_at_most_the_burst() {
    for (records, records_per_token, burst, total) in [
        (1_000, 0, 200, 1),
        (99, 100, 200, 1),
        (100, 100, 200, 2),
        (1_000, 100, 200, 11),
        (1_000, 100, 5, 5),
        (1_000, 1, 1, 1),
    ] {
        let price = Price::of_batch(records, records_per_token, burst);
        assert_eq!((price.total, price.paid), (total, 1), "{records} / {records_per_token}, {burst}");
    }
}

#[test]
fn a_refused_batch_passes_after_the_time_to_wait() {
    let (limiter, clinic) = (RateLimiter::new(60, 5, 100), clinic("clinic_abc"));
    let send = |micros| {
        assert_eq!(wait(&limiter, &clinic, micros), None);
        let allowance = limiter.take_for_records(&clinic, 300, at(micros)).unwrap();
        (allowance.remaining, allowance.retry_after)
    };
    assert_eq!(send(0), (1, None));
    // The refused request has taken the last token.
    assert_eq!(send(0), (0, Some(Duration::from_secs(4))));
    assert_eq!(send(4_000_000), (0, None));
    assert_eq!(limiter.take_for_records(&clinic, 99, at(4_000_000)), None, "few records cost nothing");
    let free = RateLimiter::new(60, 5, 0);
    assert_eq!(free.take_for_records(&clinic, 1_000, at(0)), None, "the setting is off");
}

#[test]
fn failures_take_no_tokens_of_the_clinic_or_of_another_address() {
    let (limiter, clinic_abc) = (RateLimiter::new(60, 2, 0), clinic("clinic_abc"));
    let wait = |clinic: &Clinic, address: &str| {
        limiter.take_for_failure(clinic, address.parse().unwrap(), at(0)).unwrap().retry_after
    };
    assert_eq!(wait(&clinic_abc, "2001:db8::1"), None);
    assert_eq!(wait(&clinic_abc, "2001:db8::ffff"), None);
    assert_eq!(wait(&clinic_abc, "2001:db8::1"), Some(Duration::from_secs(1)), "a /64 is one address");
    assert_eq!(wait(&clinic_abc, "2001:db8:0:1::1"), None);
    assert_eq!(wait(&clinic("another_clinic"), "2001:db8::1"), None);
    assert_eq!(limiter.take(&clinic_abc, at(0)).unwrap().remaining, 1);
}

#[test]
fn failures_from_many_addresses_take_bounded_memory() {
    let (limiter, clinic) = (RateLimiter::new(1, 200, 0), clinic("clinic_abc"));
    for number in 0..30_000_u32 {
        assert!(limiter.take_for_failure(&clinic, IpAddr::V4(number.into()), at(0)).is_some());
    }
    assert!(limiter.failed.by_key.len() <= MAX_FAILURE_BUCKETS);
}

#[test]
fn full_buckets_are_removed() {
    let limiter = RateLimiter::new(60, 1, 0);
    for number in 0..5_000_i64 {
        limiter.take(&clinic(&number.to_string()), at(number * 10_000)).unwrap();
    }
    assert!(limiter.verified.by_key.len() <= CLEANUP_THRESHOLD + 1, "{}", limiter.verified.by_key.len());
}

/// The same limit as a theoretical arrival time (GCRA, ITU-T I.371, annex A), in whole microseconds times the rate.
struct Gcra {
    full_at: i128,
    rate: i128,
    burst: i128,
}

impl Gcra {
    const TOKEN: i128 = 60_000_000;

    /// Returns whether the request passes, the tokens left, and the times of a full bucket and of the next pass in scaled microseconds.
    fn take(&mut self, now_us: i64) -> (bool, i128, i128, i128) {
        let now = i128::from(now_us) * self.rate;
        let full_at = self.full_at.max(now);
        let passes = full_at + Self::TOKEN - now <= self.burst * Self::TOKEN;
        self.full_at = if passes { full_at + Self::TOKEN } else { full_at };
        let left = (self.burst * Self::TOKEN - (self.full_at - now)) / Self::TOKEN;
        (passes, left, self.full_at, self.full_at + Self::TOKEN - self.burst * Self::TOKEN)
    }
}

fn number(response: &Response, name: &str) -> i64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_headers_agree_with_another_implementation(
        rate in 1_u32..5_000,
        burst in 1_u32..300,
        pauses_us in prop::collection::vec(prop_oneof![Just(0_i64), 1..5_000_i64, 1..3_000_000_i64], 1..400),
    ) {
        let (limiter, clinic) = (RateLimiter::new(rate, burst, 0), clinic("clinic_abc"));
        let start_us = 1_700_000_000_123_456_i64;
        let mut gcra = Gcra { full_at: 0, rate: rate.into(), burst: burst.into() };
        let mut now_us = start_us;
        for pause_us in pauses_us {
            now_us += pause_us;
            let now = DateTime::from_timestamp_micros(now_us).unwrap();
            let (passes, left, full_at, next_at) = gcra.take(now_us);
            let allowance = limiter.take(&clinic, now).unwrap();
            prop_assert_eq!(allowance.retry_after.is_none(), passes);
            let response = add_headers(Some(allowance), allowance.check().into_response());
            prop_assert_eq!(number(&response, "x-ratelimit-limit"), i64::from(rate));
            prop_assert_eq!(i128::from(number(&response, "x-ratelimit-remaining")), left);
            let second = 1_000_000 * i128::from(rate);
            let ceil = |scaled: i128| (scaled + second - 1).div_euclid(second);
            prop_assert_eq!(i128::from(number(&response, "x-ratelimit-reset")), ceil(full_at));
            if !passes {
                prop_assert_eq!(response.status().as_u16(), 429);
                let wait = ceil(next_at - i128::from(now_us) * i128::from(rate)).max(1);
                prop_assert_eq!(i128::from(number(&response, "retry-after")), wait);
            }
        }
    }
}
