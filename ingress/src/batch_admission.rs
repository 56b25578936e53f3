//! Fair admission of batches and large webhooks to processing. A parsed body takes several times its bytes as a document, as records and
//! as a message, so few are processed at the same time. A clinic waits for at most one body of each other clinic.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::quota::{Limit, Quota, Share};

/// Maximum number of permits, whatever the sizes of the bodies: a thousand refused records cost as much as valid ones.
const MAX_PERMITS: usize = 8;

/// Issues permits. The waiting clinic with the fewest bytes in process is next; of several, the one whose last permit is oldest. No
/// other body overtakes it, however large it is.
#[derive(Debug)]
pub(crate) struct BatchAdmission {
    /// Bytes in process. A clinic has at most those of the largest body. Another quarter of that is left to others, so that a small
    /// body of another clinic does not wait.
    in_process: Arc<Quota>,
    min_bytes: usize,
    max_bytes_per_clinic: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    permits: u64,
    /// The number of the last permit of each clinic that has one, or waits for another one.
    last_permits: HashMap<String, u64>,
    /// In order of arrival.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    clinic_id: String,
    bytes: usize,
    admitted: oneshot::Sender<Permit>,
}

impl BatchAdmission {
    /// Admission of bodies of at most `max_body_bytes` each.
    pub(crate) fn new(max_body_bytes: usize) -> Arc<Self> {
        let max_bytes_per_clinic = max_body_bytes.max(1);
        let total = max_bytes_per_clinic.saturating_add(max_bytes_per_clinic.div_ceil(4));
        let min_bytes = (total / MAX_PERMITS).max(1).min(max_bytes_per_clinic);
        let in_process = Quota::new(Limit::Fixed { total, of_clinic: max_bytes_per_clinic });
        Arc::new(Self { in_process, min_bytes, max_bytes_per_clinic, state: Mutex::default() })
    }

    /// Waits for a permit for a body; `None` after the timeout.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        clinic_id: &str,
        body_bytes: usize,
        timeout: Duration,
    ) -> Option<Permit> {
        let bytes = body_bytes.clamp(self.min_bytes, self.max_bytes_per_clinic);
        let (admitted, permit) = oneshot::channel();
        self.state().waiting.push_back(Waiting { clinic_id: clinic_id.to_owned(), bytes, admitted });
        self.admit();
        tokio::time::timeout(timeout, permit).await.ok()?.ok()
    }

    /// Issues as many permits as fit.
    fn admit(self: &Arc<Self>) {
        let mut state = self.state();
        let mut admitted = Vec::new();
        state.waiting.retain(|waiting| !waiting.admitted.is_closed());
        while let Some((index, share)) = self.next(&state)
            && let Some(Waiting { clinic_id, admitted: sender, .. }) = state.waiting.remove(index)
        {
            state.permits += 1;
            let number = state.permits;
            state.last_permits.insert(clinic_id.clone(), number);
            admitted.push((sender, Permit { admission: Arc::clone(self), clinic_id, share }));
        }
        drop(state);
        for (sender, permit) in admitted {
            if let Err(unused) = sender.send(permit) {
                // The request timed out just now. Dropping its permit locks the state, which is unlocked here.
                drop(unused);
            }
        }
    }

    /// The index of the next waiting body, and its share, if it fits.
    fn next(&self, state: &State) -> Option<(usize, Share)> {
        let used = |waiting: &Waiting| self.in_process.used_by(&waiting.clinic_id);
        let fits_clinic =
            |(_, waiting): &(usize, &Waiting)| used(waiting) + waiting.bytes <= self.max_bytes_per_clinic;
        let order = |(_, waiting): &(usize, &Waiting)| {
            (used(waiting), state.last_permits.get(&waiting.clinic_id).copied())
        };
        let (index, next) = state.waiting.iter().enumerate().filter(fits_clinic).min_by_key(order)?;
        let mut share = self.in_process.share(&next.clinic_id);
        share.resize(next.bytes).then_some((index, share))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to process one body. Dropping it admits the next ones.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<BatchAdmission>,
    clinic_id: String,
    share: Share,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.share.resize(0);
        let mut state = self.admission.state();
        let is_waiting = state.waiting.iter().any(|waiting| waiting.clinic_id == self.clinic_id);
        if !is_waiting && self.admission.in_process.used_by(&self.clinic_id) == 0 {
            state.last_permits.remove(&self.clinic_id);
        }
        drop(state);
        self.admission.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_clinic_leaves_bytes_to_others_while_its_own_bodies_wait() {
        let admission = BatchAdmission::new(80);
        let large = admission.acquire("a", 80, TIMEOUT).await.unwrap();
        assert!(admission.acquire("a", 1, TIMEOUT).await.is_none(), "the clinic is at its limit");
        let small = admission.acquire("b", 20, TIMEOUT).await.unwrap();
        assert!(admission.acquire("b", 1, TIMEOUT).await.is_none(), "the total limit is reached");
        drop((large, small));
        let whole = admission.acquire("a", 990, TIMEOUT).await;
        assert!(whole.is_some(), "a body beyond the clinic's limit takes all of it");
        drop(whole);
        let tiny =
            join_all((0..MAX_PERMITS).map(|clinic| admission.acquire(["a", "b"][clinic % 2], 1, TIMEOUT)))
                .await;
        assert!(tiny.iter().all(Option::is_some));
        assert!(admission.acquire("c", 1, TIMEOUT).await.is_none(), "the smallest body has a minimum size");
        drop(tiny);
        let state = admission.state();
        assert!(admission.in_process.used_by("a") == 0 && state.last_permits.is_empty(), "{state:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn clinics_take_turns_however_many_bodies_of_one_wait() {
        let admission = BatchAdmission::new(80);
        let order = Mutex::new(Vec::new());
        let process = async |clinic: &'static str| {
            let permit = admission.acquire(clinic, 80, Duration::from_mins(1)).await.unwrap();
            order.lock().unwrap().push(clinic);
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(permit);
        };
        join_all(["a", "a", "a", "a", "b", "b", "c"].map(process)).await;
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c", "a", "b", "a", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_timed_out_does_not_block_others() {
        let admission = BatchAdmission::new(80);
        let first = admission.acquire("a", 80, TIMEOUT).await.unwrap();
        assert!(admission.acquire("b", 80, TIMEOUT).await.is_none(), "there was no permit in time");
        assert!(admission.acquire("c", 20, TIMEOUT).await.is_some());
        let overtaking = async {
            let small = admission.acquire("c", 20, TIMEOUT / 2).await;
            assert!(small.is_none(), "a small body does not overtake a large one");
            drop(first);
        };
        let (large, ()) = tokio::join!(admission.acquire("b", 80, TIMEOUT), overtaking);
        assert!(large.is_some());
    }
}
