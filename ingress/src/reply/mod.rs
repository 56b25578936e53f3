//! Receives results from workers; bodies from callers are in [`crate::receive`], and answers to callers in [`crate::response`]. Requests
//! wait for their results. Waiting must not slow down a burst: if a clinic's results arrive late, its requests stop waiting, and one
//! probe at a time measures whether results are in time again.

pub(crate) mod prefer;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::broker::{Mailbox, Queue};
use careq_shared::message::{self, ReplyTo, Results, Verdict};
use careq_shared::telemetry::traces::SPAN;
use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, info_span};

use prefer::Preference;

use crate::quota::{Quota, Share};

/// Late results in a row after which requests stop waiting.
const MAX_LATE_IN_A_ROW: u32 = 2;

/// Minimum time between two probes. A probe is replaced after this time or twice its own limit, whichever is longer.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// All requests that wait for a result.
#[derive(Debug)]
pub(crate) struct PendingReplies {
    address: watch::Receiver<Option<String>>,
    next_request: AtomicU64,
    pending: DashMap<u64, Pending>,
    /// By clinic and queue: slow results of one clinic must not affect the answers of the others.
    lateness: DashMap<(String, Queue), Arc<Lateness>>,
    /// Requests with `Prefer: wait=N`: at most half of `ingress.max_requests`, and a quarter for one clinic.
    preferred: Arc<Quota>,
}

/// Whether the results of a clinic from a queue arrive in time.
#[derive(Debug, Default)]
struct Lateness {
    clinic_id: String,
    late_in_a_row: AtomicU32,
    /// The outstanding probe, and the time from which it may be replaced.
    probe: Mutex<Option<(u64, Instant)>>,
}

#[derive(Debug)]
struct Pending {
    registered_at: Instant,
    wait: Wait,
    /// `None` for a probe.
    waiter: Option<oneshot::Sender<Verdict>>,
}

/// How long a request may wait.
#[derive(Debug, Clone)]
struct Wait {
    limit: Duration,
    /// `None` by the caller's preference: the request waits even while results are late.
    lateness: Option<Arc<Lateness>>,
}

impl PendingReplies {
    /// Receives results until the broker closes the mailbox, so requests in flight at a shutdown still get theirs.
    pub(crate) fn start(mailbox: Mailbox, preferred: Arc<Quota>) -> Arc<Self> {
        let replies = Arc::new(Self {
            address: mailbox.address,
            next_request: AtomicU64::new(1),
            pending: DashMap::new(),
            lateness: DashMap::new(),
            preferred,
        });
        tokio::spawn(dispatch(Arc::clone(&replies), mailbox.messages));
        replies
    }

    /// Registers a request before its publish, because the result may precede the confirm. A `Prefer: wait=N` within the quota sets the
    /// wait. Otherwise it is `default_wait`, or none while results are late.
    pub(crate) fn register(
        self: &Arc<Self>,
        clinic_id: &str,
        queue: Queue,
        preference: Preference,
        default_wait: Duration,
    ) -> PendingReply {
        let not_waiting = |applied| PendingReply { reply_to: None, applied, waiting: None };
        let share = match preference {
            Preference::RespondAsync => return not_waiting(preference),
            Preference::Wait(_) => self.preferred.take(clinic_id),
            Preference::None => None,
        };
        let Some(mailbox) = self.address.borrow().clone() else { return not_waiting(Preference::None) };
        let (applied, wait) = match preference {
            Preference::Wait(seconds) if share.is_some() => {
                (preference, Wait { limit: Duration::from_secs(seconds), lateness: None })
            }
            _ if default_wait.is_zero() => return not_waiting(Preference::None),
            _ => {
                let lateness = self.lateness(clinic_id, queue);
                if lateness.is_late() {
                    let request = self.probe(&lateness, default_wait);
                    let reply_to = request.map(|request| ReplyTo { mailbox, request });
                    return PendingReply { reply_to, ..not_waiting(Preference::None) };
                }
                (Preference::None, Wait { limit: default_wait, lateness: Some(lateness) })
            }
        };
        let (waiter, verdict) = oneshot::channel();
        let request = self.insert(wait.clone(), Some(waiter));
        let waiting = Waiting { replies: Arc::clone(self), request, verdict, wait, _share: share };
        PendingReply { reply_to: Some(ReplyTo { mailbox, request }), applied, waiting: Some(waiting) }
    }

    fn lateness(&self, clinic_id: &str, queue: Queue) -> Arc<Lateness> {
        let new = || Arc::new(Lateness { clinic_id: clinic_id.to_owned(), ..Lateness::default() });
        Arc::clone(&self.lateness.entry((clinic_id.to_owned(), queue)).or_insert_with(new))
    }

    fn insert(&self, wait: Wait, waiter: Option<oneshot::Sender<Verdict>>) -> u64 {
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        self.pending.insert(request, Pending { registered_at: Instant::now(), wait, waiter });
        request
    }

    /// Registers a request that does not wait, but whose result is timed; `None` while the previous probe may not be replaced.
    fn probe(&self, lateness: &Arc<Lateness>, limit: Duration) -> Option<u64> {
        let mut probe = lateness.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((outstanding, replaceable_at)) = *probe {
            if Instant::now() < replaceable_at {
                return None;
            }
            self.pending.remove(&outstanding);
        }
        let request = self.insert(Wait { limit, lateness: Some(Arc::clone(lateness)) }, None);
        *probe = Some((request, Instant::now() + PROBE_INTERVAL.max(limit * 2)));
        Some(request)
    }

    fn arrived(&self, request: u64, verdict: Verdict) {
        let Some((_, pending)) = self.pending.remove(&request) else { return };
        let elapsed = pending.registered_at.elapsed();
        // The send fails if the request has just stopped waiting; its status page has the result.
        let was_awaited = pending.waiter.is_some_and(|waiter| waiter.send(verdict).is_ok());
        // A waiting request is timed from the confirm. A probe is timed from before the publish, so it has twice the limit.
        if let Some(lateness) = pending.wait.lateness
            && (was_awaited || elapsed <= pending.wait.limit * 2)
        {
            lateness.record_in_time();
        }
    }
}

impl Lateness {
    fn is_late(&self) -> bool {
        self.late_in_a_row.load(Ordering::Relaxed) >= MAX_LATE_IN_A_ROW
    }

    fn record_in_time(&self) {
        if self.late_in_a_row.swap(0, Ordering::Relaxed) >= MAX_LATE_IN_A_ROW {
            let clinic_id = &self.clinic_id;
            tracing::info!(clinic_id, "results arrive in time again; requests wait for them");
        }
    }

    fn record_late(&self) {
        if self.late_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 == MAX_LATE_IN_A_ROW {
            let clinic_id = &self.clinic_id;
            tracing::info!(clinic_id, "results arrive late or not at all; requests do not wait for them");
        }
    }
}

/// Passes each result to the request that waits for it.
async fn dispatch(replies: Arc<PendingReplies>, mut messages: mpsc::Receiver<bytes::Bytes>) {
    while let Some(body) = messages.recv().await {
        match message::decode::<Results>(&body) {
            Ok(results) => {
                for result in results.requests {
                    replies.arrived(result.request, result.verdict);
                }
            }
            Err(reason) => tracing::warn!(%reason, "a result message was dropped"),
        }
    }
}

/// A registered request. Dropping it removes the entry of a waiting request. The entry of a probe stays until its result or the next
/// probe.
#[derive(Debug)]
pub(crate) struct PendingReply {
    /// The reply address in the message.
    pub(crate) reply_to: Option<ReplyTo>,
    /// The preference that is followed.
    pub(crate) applied: Preference,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    replies: Arc<PendingReplies>,
    request: u64,
    verdict: oneshot::Receiver<Verdict>,
    wait: Wait,
    /// Of the requests that prefer to wait.
    _share: Option<Share>,
}

impl PendingReply {
    /// Waits for the result; `None` if it does not arrive in time or the request does not wait.
    pub(crate) async fn wait(self) -> Option<Verdict> {
        let mut waiting = self.waiting?;
        let verdict = tokio::time::timeout(waiting.wait.limit, &mut waiting.verdict);
        let verdict = verdict.instrument(info_span!(target: SPAN, "result")).await;
        let verdict = verdict.ok().and_then(Result::ok);
        if let (None, Some(lateness)) = (&verdict, &waiting.wait.lateness) {
            lateness.record_late();
        }
        verdict
    }
}

impl Drop for Waiting {
    /// Runs also if the client disconnects before its answer.
    fn drop(&mut self) {
        self.replies.pending.remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Limit;
    use careq_shared::message::RequestResult;

    fn replies() -> (Arc<PendingReplies>, mpsc::Sender<bytes::Bytes>) {
        let (sender, messages) = mpsc::channel(8);
        let (_, address) = watch::channel(Some("mailbox".to_owned()));
        let mailbox = Mailbox { address, messages };
        let preferred = Quota::new(Limit::Fixed { total: 1, of_clinic: 1 });
        (PendingReplies::start(mailbox, preferred), sender)
    }

    async fn send_result(sender: &mpsc::Sender<bytes::Bytes>, reply: &PendingReply) {
        let request = reply.reply_to.as_ref().unwrap().request;
        let results = Results { requests: vec![RequestResult { request, verdict: Verdict::BatchConflict }] };
        sender.send(message::encode(&results).unwrap().into()).await.unwrap();
    }

    #[tokio::test]
    async fn requests_stop_waiting_while_results_are_late_and_wait_again_once_they_are_in_time() {
        let (replies, sender) = replies();
        let register = |clinic, default_ms| {
            replies.register(clinic, Queue::Live, Preference::None, Duration::from_millis(default_ms))
        };
        for _ in 0..MAX_LATE_IN_A_ROW {
            assert_eq!(register("clinic_a", 20).wait().await, None);
        }
        let probe = register("clinic_a", 5_000);
        assert!(probe.reply_to.is_some() && probe.waiting.is_none(), "the first request is a probe");
        assert!(register("clinic_a", 5_000).reply_to.is_none(), "there is one probe at a time");
        assert!(register("clinic_b", 5_000).waiting.is_some(), "another clinic is not affected");
        let preference = Preference::Wait(1);
        let preferred = replies.register("clinic_a", Queue::Live, preference, Duration::ZERO);
        let beyond = replies.register("clinic_a", Queue::Live, preference, Duration::ZERO);
        assert_eq!((preferred.applied, beyond.applied), (preference, Preference::None));
        send_result(&sender, &preferred).await;
        assert_eq!(preferred.wait().await, Some(Verdict::BatchConflict));
        send_result(&sender, &probe).await;
        while replies.lateness("clinic_a", Queue::Live).is_late() {
            tokio::task::yield_now().await;
        }
        let waits = register("clinic_a", 5_000);
        send_result(&sender, &waits).await;
        assert_eq!(waits.wait().await, Some(Verdict::BatchConflict));
        let of_batches = replies.lateness("clinic_a", Queue::Bulk);
        assert_eq!(of_batches.late_in_a_row.load(Ordering::Relaxed), 0, "each queue is measured separately");
    }

    #[tokio::test]
    async fn a_probe_is_not_replaced_before_its_result_can_be_in_time() {
        let (replies, _sender) = replies();
        let lateness = replies.lateness("clinic_a", Queue::Bulk);
        let probe = |limit_s| replies.probe(&lateness, Duration::from_secs(limit_s));
        assert!(probe(2).is_some());
        let pass = |passed_s| {
            let mut outstanding = lateness.probe.lock().unwrap();
            outstanding.as_mut().unwrap().1 -= Duration::from_secs(passed_s);
        };
        pass(3);
        assert_eq!((probe(2), probe(1)), (None, None), "it has four seconds");
        pass(2);
        assert!(probe(1).is_some());
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_leaves_no_entry() {
        let (replies, _sender) = replies();
        drop(replies.register("clinic_a", Queue::Live, Preference::None, Duration::from_secs(5)));
        assert!(replies.pending.is_empty());
    }
}
