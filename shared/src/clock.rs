//! The clock of every timestamp. PostgreSQL stores microseconds, so a finer timestamp would change when it is stored,
//! and a version would not equal itself. Clippy forbids other clocks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// The current time, in whole microseconds.
pub fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else uses")]
    whole_microseconds(Utc::now())
}

/// The same instant in the precision of PostgreSQL's `timestamptz`. A leap second becomes the next second.
pub fn whole_microseconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    from_microseconds(instant.timestamp_micros())
}

/// The time since an instant. It is zero for an instant in the future, because the clocks of machines differ.
pub fn since(instant: DateTime<Utc>) -> Duration {
    (now() - instant).to_std().unwrap_or(Duration::ZERO)
}

#[expect(clippy::expect_used, reason = "any other stamp would give a change another version")]
fn from_microseconds(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).expect("the instant is within the range of chrono")
}

/// A source of acceptance timestamps that strictly rise within a process, even if the system clock is set back. Of
/// two requests answered in sequence, the later one is therefore the newer version.
#[derive(Debug, Default)]
pub struct AcceptanceClock {
    last_us: AtomicI64,
}

impl AcceptanceClock {
    /// Reserves `count` consecutive timestamps, one microsecond apart, and returns the first. A batch takes one
    /// timestamp per record, so its records keep their order.
    pub fn reserve(&self, count: u32) -> DateTime<Utc> {
        let now = now();
        let span_us = i64::from(count.max(1));
        let follow = |last_us: i64| now.timestamp_micros().max(last_us + 1);
        let next = |last_us| Some(follow(last_us) + span_us - 1);
        let (Ok(previous_us) | Err(previous_us)) =
            self.last_us.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        from_microseconds(follow(previous_us))
    }

    /// Continues after a timestamp of another process. The system clock may have been set back since it was issued.
    pub fn go_on_after(&self, stamp: DateTime<Utc>) {
        self.last_us.fetch_max(stamp.timestamp_micros(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn stamps_rise_and_reserved_ranges_never_overlap() {
        let clock = AcceptanceClock::default();
        let batch = clock.reserve(1_000);
        let next = clock.reserve(1);
        assert!(next >= batch + TimeDelta::microseconds(1_000));
        assert!(clock.reserve(1) > next);
    }

    #[test]
    fn stamps_go_on_after_those_of_another_process() {
        let clock = AcceptanceClock::default();
        let ahead = now() + TimeDelta::days(1);
        clock.go_on_after(ahead);
        clock.go_on_after(now());
        assert_eq!(clock.reserve(1), ahead + TimeDelta::microseconds(1));
    }

    #[test]
    fn an_instant_in_the_future_has_no_age() {
        assert_eq!(since(now() + TimeDelta::days(1)), Duration::ZERO);
        assert!(since(now() - TimeDelta::days(1)) >= Duration::from_hours(24));
    }

    #[test]
    fn a_leap_second_becomes_the_next_second() {
        let leap = DateTime::parse_from_rfc3339("2016-12-31T23:59:60Z").unwrap().to_utc();
        assert_eq!(whole_microseconds(leap).to_rfc3339(), "2017-01-01T00:00:00+00:00");
    }
}
