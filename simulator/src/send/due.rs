//! Times at which requests are due: by the rate, and after the delay of a patient that arrives after its appointment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::schedule::RequestId;

/// Source of due times.
///
/// With a rate, requests are due whether or not earlier ones were answered. A latency counts from the due time,
/// so it includes the wait behind slow responses ("coordinated omission").
#[derive(Debug)]
pub(super) struct Pacer {
    began_at: Instant,
    /// `None` makes every request due at once.
    rate_per_second: Option<u32>,
    issued: AtomicU64,
}

impl Pacer {
    pub(super) fn new(rate_per_second: Option<u32>) -> Self {
        Self { began_at: Instant::now(), rate_per_second, issued: AtomicU64::new(0) }
    }

    /// Waits until the next request is due and returns the due time.
    pub(super) async fn next_due(&self) -> Instant {
        let Some(rate) = self.rate_per_second else { return Instant::now() };
        let issued = self.issued.fetch_add(1, Ordering::Relaxed);
        let due_at = self.began_at + Duration::from_secs(issued) / rate.max(1);
        tokio::time::sleep_until(due_at.into()).await;
        due_at
    }
}

/// Queue of delayed requests. The delay is the same for all, and shorter than the installation's parent timeout.
#[derive(Debug, Default)]
pub(super) struct DelayedRequests(Mutex<VecDeque<(Instant, RequestId)>>);

impl DelayedRequests {
    pub(super) fn push(&self, due_at: Instant, id: RequestId) {
        self.queue().push_back((due_at, id));
    }

    /// Removes a request that is due.
    pub(super) fn pop_due(&self) -> Option<RequestId> {
        self.queue().pop_front_if(|(due_at, _)| *due_at <= Instant::now()).map(|(_, id)| id)
    }

    /// Removes all requests, whether due or not.
    pub(super) fn drain(&self) -> Vec<RequestId> {
        self.queue().drain(..).map(|(_, id)| id).collect()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(Instant, RequestId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_due_after_the_delay_and_drained_before_it() {
        let id = RequestId { scenario: 1, request: 0, is_copy: false };
        let delayed = DelayedRequests::default();
        delayed.push(Instant::now(), id);
        delayed.push(Instant::now() + Duration::from_mins(1), RequestId { request: 1, ..id });
        assert_eq!(delayed.pop_due(), Some(id));
        assert_eq!(delayed.pop_due(), None);
        assert_eq!(delayed.drain(), [RequestId { request: 1, ..id }]);
    }
}
