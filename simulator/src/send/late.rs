//! Patients that come after their appointments: some seconds later, however long the run is. A late patient must come before
//! the installation's patience with its appointment is over, and not before its appointment.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::script::Address;

/// Keeps late requests until they are due.
#[derive(Debug)]
pub(super) struct Late {
    after: Duration,
    /// In the order in which they are due.
    waiting: Mutex<VecDeque<(Instant, Address)>>,
}

impl Late {
    pub(super) fn new(after: Duration) -> Self {
        Self { after, waiting: Mutex::default() }
    }

    /// Keeps a request whose child is being sent now.
    pub(super) fn keep(&self, address: Address) {
        let due_at = Instant::now() + self.after;
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back((due_at, address));
    }

    /// One that is due.
    pub(super) fn due(&self) -> Option<Address> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front_if(|(due_at, _)| *due_at <= Instant::now()).map(|(_, address)| address)
    }

    /// All that are left at the end of the run.
    pub(super) fn rest(&self) -> Vec<Address> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain(..).map(|(_, address)| address).collect()
    }
}
