//! Requests that wait for the worker's result. Waiting must not slow down a burst: if a clinic's results arrive late, its requests stop
//! waiting, and one probe at a time measures whether results are in time again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::broker::{Mailbox, Queue};
use careq_shared::message::{self, ReplyTo, Results, Verdict};
use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot, watch};

/// Late results in a row after which requests stop waiting.
const MAX_LATE_IN_A_ROW: u32 = 2;

/// A probe without a result is replaced after this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// All requests that wait for a result.
#[derive(Debug)]
pub(crate) struct PendingReplies {
    address: watch::Receiver<Option<String>>,
    next_request: AtomicU64,
    pending: DashMap<u64, Pending>,
    /// By clinic and queue: slow results of one clinic must not affect the answers of the others.
    lateness: DashMap<(String, Queue), Arc<Lateness>>,
}

/// Whether the results of a clinic from a queue arrive in time.
#[derive(Debug, Default)]
struct Lateness {
    clinic_id: String,
    late_in_a_row: AtomicU32,
    is_late: AtomicBool,
    probe: Mutex<Option<(u64, Instant)>>,
}

#[derive(Debug)]
struct Pending {
    registered_at: Instant,
    lateness: Arc<Lateness>,
    limit: WaitLimit,
    /// `None` for a probe.
    waiter: Option<oneshot::Sender<Verdict>>,
}

/// How long a request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitLimit {
    /// By the caller's preference: the request waits even while results are late.
    Preferred(Duration),
    /// By the settings: the request does not wait while results are late.
    Default(Duration),
}

impl PendingReplies {
    /// Receives results until the broker closes the mailbox, so requests in flight at a shutdown still get theirs.
    pub(crate) fn start(mailbox: Mailbox) -> Arc<Self> {
        let replies = Arc::new(Self {
            address: mailbox.address,
            next_request: AtomicU64::new(1),
            pending: DashMap::new(),
            lateness: DashMap::new(),
        });
        tokio::spawn(receive(Arc::clone(&replies), mailbox.messages));
        replies
    }

    /// Registers a request. The result may arrive before the broker's confirm, so this precedes the publish.
    pub(crate) fn register(
        self: &Arc<Self>,
        clinic_id: &str,
        queue: Queue,
        limit: Option<WaitLimit>,
    ) -> PendingReply {
        let Some(mailbox) = self.address.borrow().clone() else { return PendingReply::none() };
        let lateness = self.lateness(clinic_id, queue);
        match limit {
            None | Some(WaitLimit::Default(Duration::ZERO)) => PendingReply::none(),
            Some(limit @ WaitLimit::Default(_)) if lateness.is_late.load(Ordering::Relaxed) => {
                let reply_to = self.probe(&lateness, limit).map(|request| ReplyTo { mailbox, request });
                PendingReply { reply_to, waiting: None }
            }
            Some(limit) => {
                let (waiter, verdict) = oneshot::channel();
                let request = self.insert(&lateness, limit, Some(waiter));
                let waiting = Waiting { replies: Arc::clone(self), lateness, request, verdict, limit };
                PendingReply { reply_to: Some(ReplyTo { mailbox, request }), waiting: Some(waiting) }
            }
        }
    }

    fn lateness(&self, clinic_id: &str, queue: Queue) -> Arc<Lateness> {
        let new = || Arc::new(Lateness { clinic_id: clinic_id.to_owned(), ..Lateness::default() });
        Arc::clone(&self.lateness.entry((clinic_id.to_owned(), queue)).or_insert_with(new))
    }

    fn insert(
        &self,
        lateness: &Arc<Lateness>,
        limit: WaitLimit,
        waiter: Option<oneshot::Sender<Verdict>>,
    ) -> u64 {
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        let pending =
            Pending { registered_at: Instant::now(), lateness: Arc::clone(lateness), limit, waiter };
        self.pending.insert(request, pending);
        request
    }

    /// Registers a request that does not wait, but whose result is timed; `None` while another probe is outstanding.
    fn probe(&self, lateness: &Arc<Lateness>, limit: WaitLimit) -> Option<u64> {
        let mut probe = lateness.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((outstanding, registered_at)) = *probe {
            if registered_at.elapsed() < PROBE_TIMEOUT {
                return None;
            }
            self.pending.remove(&outstanding);
        }
        let request = self.insert(lateness, limit, None);
        *probe = Some((request, Instant::now()));
        Some(request)
    }

    fn arrived(&self, request: u64, verdict: Verdict) {
        let Some((_, pending)) = self.pending.remove(&request) else { return };
        let elapsed = pending.registered_at.elapsed();
        // The send fails if the request has just stopped waiting; its status page has the result.
        let was_awaited = pending.waiter.is_some_and(|waiter| waiter.send(verdict).is_ok());
        match pending.limit {
            // The clock of a wait starts after the confirm, that of a probe before: the limit is doubled for the confirm.
            WaitLimit::Default(limit) if was_awaited || elapsed <= limit * 2 => {
                pending.lateness.record_in_time();
            }
            WaitLimit::Default(_) | WaitLimit::Preferred(_) => {}
        }
    }
}

impl Lateness {
    fn record_in_time(&self) {
        self.late_in_a_row.store(0, Ordering::Relaxed);
        if self.is_late.swap(false, Ordering::Relaxed) {
            let clinic_id = &self.clinic_id;
            tracing::info!(clinic_id, "results arrive in time again; requests wait for them");
        }
    }

    fn record_late(&self) {
        let late = self.late_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if late >= MAX_LATE_IN_A_ROW && !self.is_late.swap(true, Ordering::Relaxed) {
            let clinic_id = &self.clinic_id;
            tracing::info!(clinic_id, "results arrive late or not at all; requests do not wait for them");
        }
    }
}

async fn receive(replies: Arc<PendingReplies>, mut messages: mpsc::Receiver<bytes::Bytes>) {
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

/// A registered request. Dropping it ends the registration.
#[derive(Debug)]
pub(crate) struct PendingReply {
    /// The reply address in the message.
    pub(crate) reply_to: Option<ReplyTo>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    replies: Arc<PendingReplies>,
    lateness: Arc<Lateness>,
    request: u64,
    verdict: oneshot::Receiver<Verdict>,
    limit: WaitLimit,
}

impl PendingReply {
    fn none() -> Self {
        Self { reply_to: None, waiting: None }
    }

    /// Whether the request waits for its result.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Waits for the result; `None` if it does not arrive in time or the request does not wait.
    pub(crate) async fn wait(self) -> Option<Verdict> {
        let mut waiting = self.waiting?;
        let (WaitLimit::Preferred(limit) | WaitLimit::Default(limit)) = waiting.limit;
        let verdict = tokio::time::timeout(limit, &mut waiting.verdict).await.ok().and_then(Result::ok);
        if verdict.is_none() && matches!(waiting.limit, WaitLimit::Default(_)) {
            waiting.lateness.record_late();
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
    use careq_shared::message::RequestResult;

    fn replies() -> (Arc<PendingReplies>, mpsc::Sender<bytes::Bytes>) {
        let (sender, messages) = mpsc::channel(8);
        let (_, address) = watch::channel(Some("mailbox".to_owned()));
        let mailbox = Mailbox { address, messages };
        (PendingReplies::start(mailbox), sender)
    }

    async fn send_result(sender: &mpsc::Sender<bytes::Bytes>, reply: &PendingReply) {
        let request = reply.reply_to.as_ref().unwrap().request;
        let results = Results { requests: vec![RequestResult { request, verdict: Verdict::BatchConflict }] };
        sender.send(message::encode(&results).unwrap().into()).await.unwrap();
    }

    #[tokio::test]
    async fn requests_stop_waiting_while_results_are_late_and_wait_again_once_they_are_in_time() {
        let (replies, sender) = replies();
        let default = Some(WaitLimit::Default(Duration::from_secs(5)));
        for _ in 0..MAX_LATE_IN_A_ROW {
            let limit = Some(WaitLimit::Default(Duration::from_millis(20)));
            assert_eq!(replies.register("clinic_a", Queue::Live, limit).wait().await, None);
        }
        let probe = replies.register("clinic_a", Queue::Live, default);
        assert!(probe.reply_to.is_some(), "the first request is a probe");
        let next = replies.register("clinic_a", Queue::Live, default);
        assert!(next.reply_to.is_none(), "there is one probe at a time");
        assert!(
            replies.register("clinic_b", Queue::Live, default).is_waiting(),
            "another clinic is not affected"
        );
        let preferred = Some(WaitLimit::Preferred(Duration::from_secs(1)));
        let preferred = replies.register("clinic_a", Queue::Live, preferred);
        send_result(&sender, &preferred).await;
        assert_eq!(preferred.wait().await, Some(Verdict::BatchConflict));
        send_result(&sender, &probe).await;
        while replies.lateness("clinic_a", Queue::Live).is_late.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        let waits = replies.register("clinic_a", Queue::Live, default);
        send_result(&sender, &waits).await;
        assert_eq!(waits.wait().await, Some(Verdict::BatchConflict));
        let of_batches = replies.lateness("clinic_a", Queue::Bulk);
        assert_eq!(of_batches.late_in_a_row.load(Ordering::Relaxed), 0, "each queue is measured separately");
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_leaves_no_entry() {
        let (replies, _sender) = replies();
        let limit = Some(WaitLimit::Default(Duration::from_secs(5)));
        drop(replies.register("clinic_a", Queue::Live, limit));
        assert!(replies.pending.is_empty());
    }
}
