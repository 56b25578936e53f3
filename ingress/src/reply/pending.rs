//! Waiting for results, while waiting pays. The desk must never make a burst slower: when results of a clinic come late, or nobody
//! works, it stops waiting by itself, and asks with one request of that clinic at a time whether that has changed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use careq_shared::broker::{Mailbox, Queue};
use careq_shared::message::{self, ReplyTo, Results, Verdict};
use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot, watch};

/// So many results in a row must be late before nobody waits any more.
const LATE_IN_A_ROW: u32 = 2;

/// A question that is not answered within this time is asked again.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Requests that wait, and whether waiting pays.
#[derive(Debug)]
pub(crate) struct ResultDesk {
    address: watch::Receiver<Option<String>>,
    next_request: AtomicU64,
    open: DashMap<u64, Open>,
    /// One of each clinic and queue: what holds up one clinic's results must not keep the others' answers from waiting.
    paces: DashMap<(String, Queue), Arc<Pace>>,
}

/// Whether results of a clinic from a queue come in time.
#[derive(Debug, Default)]
struct Pace {
    clinic_id: String,
    late_in_a_row: AtomicU32,
    is_slow: AtomicBool,
    probe: Mutex<Option<(u64, Instant)>>,
}

#[derive(Debug)]
struct Open {
    asked_at: Instant,
    pace: Arc<Pace>,
    budget: Budget,
    waiter: Option<oneshot::Sender<Verdict>>,
}

/// How long a request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// The caller asked for it: it waits even while results are late.
    Explicit(Duration),
    /// Our own, given up while results are late.
    Usual(Duration),
}

impl ResultDesk {
    /// A desk that works for as long as results can arrive: requests in hand at a shutdown still get theirs.
    pub(crate) fn start(mailbox: Mailbox) -> Arc<Self> {
        let desk = Arc::new(Self {
            address: mailbox.address,
            next_request: AtomicU64::new(1),
            open: DashMap::new(),
            paces: DashMap::new(),
        });
        tokio::spawn(sort(Arc::clone(&desk), mailbox.messages));
        desk
    }

    /// Prepares to wait. The result may arrive before the publisher learns of the confirm, so this comes first.
    pub(crate) fn expect(
        self: &Arc<Self>,
        clinic_id: &str,
        queue: Queue,
        budget: Option<Budget>,
    ) -> Expectation {
        let Some(mailbox) = self.address.borrow().clone() else { return Expectation::nothing() };
        let pace = self.pace(clinic_id, queue);
        match budget {
            None | Some(Budget::Usual(Duration::ZERO)) => Expectation::nothing(),
            Some(usual @ Budget::Usual(_)) if pace.is_slow.load(Ordering::Relaxed) => {
                let reply_to = self.probe(&pace, usual).map(|request| ReplyTo { mailbox, request });
                Expectation { reply_to, waiting: None }
            }
            Some(budget) => {
                let (waiter, verdict) = oneshot::channel();
                let request = self.ask(&pace, budget, Some(waiter));
                let waiting = Waiting { desk: Arc::clone(self), pace, request, verdict, budget };
                Expectation { reply_to: Some(ReplyTo { mailbox, request }), waiting: Some(waiting) }
            }
        }
    }

    fn pace(&self, clinic_id: &str, queue: Queue) -> Arc<Pace> {
        let new = || Arc::new(Pace { clinic_id: clinic_id.to_owned(), ..Pace::default() });
        Arc::clone(&self.paces.entry((clinic_id.to_owned(), queue)).or_insert_with(new))
    }

    fn ask(&self, pace: &Arc<Pace>, budget: Budget, waiter: Option<oneshot::Sender<Verdict>>) -> u64 {
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        self.open.insert(request, Open { asked_at: Instant::now(), pace: Arc::clone(pace), budget, waiter });
        request
    }

    /// A request whose result nobody waits for, but whose delay tells whether waiting would pay again.
    fn probe(&self, pace: &Arc<Pace>, budget: Budget) -> Option<u64> {
        let mut probe = pace.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((outstanding, asked_at)) = *probe {
            if asked_at.elapsed() < PROBE_AGAIN_AFTER {
                return None;
            }
            self.open.remove(&outstanding);
        }
        let request = self.ask(pace, budget, None);
        *probe = Some((request, Instant::now()));
        Some(request)
    }

    fn arrived(&self, request: u64, verdict: Verdict) {
        let Some((_, open)) = self.open.remove(&request) else { return };
        let passed = open.asked_at.elapsed();
        // Whoever waited may have given up in this very moment; its status page knows.
        let was_awaited = open.waiter.is_some_and(|waiter| waiter.send(verdict).is_ok());
        match open.budget {
            // A wait begins after the confirm, a probe before it: the confirm gets as much time again.
            Budget::Usual(budget) if was_awaited || passed <= budget * 2 => {
                open.pace.was_in_time();
            }
            Budget::Usual(_) | Budget::Explicit(_) => {}
        }
    }
}

impl Pace {
    fn was_in_time(&self) {
        self.late_in_a_row.store(0, Ordering::Relaxed);
        if self.is_slow.swap(false, Ordering::Relaxed) {
            let clinic_id = &self.clinic_id;
            tracing::info!(clinic_id, "results come in time again; answers wait for them");
        }
    }

    fn was_late(&self) {
        let late = self.late_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if late >= LATE_IN_A_ROW && !self.is_slow.swap(true, Ordering::Relaxed) {
            let clinic_id = &self.clinic_id;
            tracing::info!(
                clinic_id,
                "results come late or not at all; requests are acknowledged at once meanwhile"
            );
        }
    }
}

async fn sort(desk: Arc<ResultDesk>, mut messages: mpsc::Receiver<bytes::Bytes>) {
    while let Some(body) = messages.recv().await {
        match message::decode::<Results>(&body) {
            Ok(results) => {
                results.requests.into_iter().for_each(|result| desk.arrived(result.request, result.verdict));
            }
            Err(reason) => tracing::warn!(%reason, "a result message was dropped"),
        }
    }
}

/// What a request was promised.
#[derive(Debug)]
pub(crate) struct Expectation {
    /// Goes into the message.
    pub(crate) reply_to: Option<ReplyTo>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    desk: Arc<ResultDesk>,
    pace: Arc<Pace>,
    request: u64,
    verdict: oneshot::Receiver<Verdict>,
    budget: Budget,
}

impl Expectation {
    fn nothing() -> Self {
        Self { reply_to: None, waiting: None }
    }

    /// Whether a wait was granted.
    pub(crate) fn is_granted(&self) -> bool {
        self.waiting.is_some()
    }

    /// The result, if it comes in time.
    pub(crate) async fn result(self) -> Option<Verdict> {
        let mut waiting = self.waiting?;
        let (Budget::Explicit(patience) | Budget::Usual(patience)) = waiting.budget;
        let verdict = tokio::time::timeout(patience, &mut waiting.verdict).await.ok().and_then(Result::ok);
        if verdict.is_none() && matches!(waiting.budget, Budget::Usual(_)) {
            waiting.pace.was_late();
        }
        verdict
    }
}

impl Drop for Waiting {
    /// Also when the client goes away before its answer.
    fn drop(&mut self) {
        self.desk.open.remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use careq_shared::message::RequestResult;

    fn desk() -> (Arc<ResultDesk>, mpsc::Sender<bytes::Bytes>) {
        let (tell, messages) = mpsc::channel(8);
        let (_, address) = watch::channel(Some("mailbox".to_owned()));
        let mailbox = Mailbox { address, messages };
        (ResultDesk::start(mailbox), tell)
    }

    async fn answer(tell: &mpsc::Sender<bytes::Bytes>, expectation: &Expectation) {
        let request = expectation.reply_to.as_ref().unwrap().request;
        let results = Results { requests: vec![RequestResult { request, verdict: Verdict::BatchConflict }] };
        tell.send(message::encode(&results).unwrap().into()).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_while_nobody_works_and_everybody_once_results_are_back() {
        let (desk, tell) = desk();
        let usual = Some(Budget::Usual(Duration::from_secs(5)));
        for _ in 0..LATE_IN_A_ROW {
            assert_eq!(
                desk.expect("clinic_a", Queue::Live, Some(Budget::Usual(Duration::from_millis(20))))
                    .result()
                    .await,
                None
            );
        }
        let probe = desk.expect("clinic_a", Queue::Live, usual);
        assert!(probe.reply_to.is_some(), "the first request asks");
        assert!(desk.expect("clinic_a", Queue::Live, usual).reply_to.is_none(), "the others do not even ask");
        assert!(
            desk.expect("clinic_b", Queue::Live, usual).is_granted(),
            "another clinic has nothing to do with it"
        );
        let explicit = desk.expect("clinic_a", Queue::Live, Some(Budget::Explicit(Duration::from_secs(1))));
        answer(&tell, &explicit).await;
        assert_eq!(explicit.result().await, Some(Verdict::BatchConflict));
        answer(&tell, &probe).await;
        while desk.pace("clinic_a", Queue::Live).is_slow.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        let waits = desk.expect("clinic_a", Queue::Live, usual);
        answer(&tell, &waits).await;
        assert_eq!(waits.result().await, Some(Verdict::BatchConflict));
        let of_batches = desk.pace("clinic_a", Queue::Bulk);
        assert_eq!(of_batches.late_in_a_row.load(Ordering::Relaxed), 0, "batches have a pace of their own");
    }

    #[tokio::test]
    async fn a_request_that_goes_away_leaves_nothing_behind() {
        let (desk, _tell) = desk();
        drop(desk.expect("clinic_a", Queue::Live, Some(Budget::Usual(Duration::from_secs(5)))));
        assert!(desk.open.is_empty());
    }
}
