//! The work of this process since the last look, for its row in `processes`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The maximum number of batches between two looks whose times are kept.
const MAX_BATCHES: usize = 4_096;

/// Counters since the last look.
#[derive(Debug, Default)]
pub struct Activity {
    events: AtomicU64,
    in_flight: AtomicI64,
    batch_ms: Mutex<Vec<u64>>,
}

/// Events in progress, until it is dropped.
#[derive(Debug)]
pub struct InFlight<'activity> {
    activity: &'activity Activity,
    events: i64,
}

/// The work since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    events: u64,
    /// Events in progress now.
    pub in_flight: i64,
    /// The 95th percentile of the times of batches; `None` without a batch.
    pub batch_p95_ms: Option<i64>,
}

impl Activity {
    /// Records events in progress.
    pub fn begin(&self, events: usize) -> InFlight<'_> {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        self.in_flight.fetch_add(events, Ordering::Relaxed);
        InFlight { activity: self, events }
    }

    /// Counts finished events.
    pub fn events(&self, count: usize) {
        self.events.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Records the time of a batch.
    pub fn batch(&self, duration: Duration) {
        let mut batch_ms = self.batch_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if batch_ms.len() < MAX_BATCHES {
            batch_ms.push(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// Returns the work since the last call.
    pub fn take(&self) -> Work {
        let mut batch_ms = std::mem::take(&mut *self.batch_ms.lock().unwrap_or_else(PoisonError::into_inner));
        batch_ms.sort_unstable();
        let p95 = batch_ms.get((batch_ms.len() * 95).div_ceil(100).saturating_sub(1));
        Work {
            events: self.events.swap(0, Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            batch_p95_ms: p95.map(|ms| i64::try_from(*ms).unwrap_or(i64::MAX)),
        }
    }
}

impl Work {
    /// Events per second during this time.
    pub fn events_per_s(&self, elapsed: Duration) -> f64 {
        let milliseconds = u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX).max(1);
        f64::from(u32::try_from(self.events).unwrap_or(u32::MAX)) * 1_000.0 / f64::from(milliseconds)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.activity.in_flight.fetch_sub(self.events, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_sees_the_work_since_the_last_one() {
        let activity = Activity::default();
        assert_eq!(activity.take(), Work { events: 0, in_flight: 0, batch_p95_ms: None });
        let in_flight = activity.begin(7);
        (1..=100).for_each(|ms| activity.batch(Duration::from_millis(ms)));
        activity.events(30);
        let work = activity.take();
        assert_eq!(work, Work { events: 30, in_flight: 7, batch_p95_ms: Some(95) });
        assert!((work.events_per_s(Duration::from_secs(2)) - 15.0).abs() < f64::EPSILON);
        drop(in_flight);
        activity.batch(Duration::from_millis(3));
        assert_eq!(activity.take(), Work { events: 0, in_flight: 0, batch_p95_ms: Some(3) });
    }
}
