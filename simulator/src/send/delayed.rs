//! Requests that are sent some time after the first request of their scenario: patients that arrive after their appointments.
//!
//! The delay is shorter than the installation's parent timeout.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::schedule::RequestId;

/// Queue of delayed requests.
#[derive(Debug)]
pub(super) struct DelayedRequests {
    delay: Duration,
    /// In the order in which they are due.
    queue: Mutex<VecDeque<(Instant, RequestId)>>,
}

impl DelayedRequests {
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, queue: Mutex::default() }
    }

    /// Adds a request; its delay begins now.
    pub(super) fn push(&self, id: RequestId) {
        let due_at = Instant::now() + self.delay;
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back((due_at, id));
    }

    /// Removes a request that is due.
    pub(super) fn pop_due(&self) -> Option<RequestId> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front_if(|(due_at, _)| *due_at <= Instant::now()).map(|(_, id)| id)
    }

    /// Removes all requests, whether due or not.
    pub(super) fn drain(&self) -> Vec<RequestId> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.drain(..).map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_due_after_the_delay_and_drained_before_it() {
        let id = RequestId { scenario: 1, request: 0, is_copy: false };
        let at_once = DelayedRequests::new(Duration::ZERO);
        at_once.push(id);
        assert_eq!(at_once.pop_due(), Some(id));
        let later = DelayedRequests::new(Duration::from_mins(1));
        later.push(id);
        assert_eq!(later.pop_due(), None);
        assert_eq!(later.drain(), [id]);
    }
}
