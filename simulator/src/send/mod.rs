//! Sends all scenarios as CareQ does: at a rate, signed, with its retries.
//!
//! There are as many senders as connections. Requests that were never accepted are sent again at the end, when the fault may
//! be over. The state of every event is then known.

mod delayed;
mod pacer;
pub(crate) mod receipt;
mod retrying_client;
mod schedule;
mod send_log;
mod sender;

use std::sync::Arc;
use std::time::Instant;

use delayed::DelayedRequests;
use pacer::Pacer;
use receipt::Receipt;
use schedule::Schedule;
use send_log::SendLog;
use sender::Sender;

use crate::findings::Findings;
use crate::run::Run;
use crate::tally::Tally;

/// Result of sending.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Sorted, without duplicates.
    pub(crate) receipts: Vec<Receipt>,
    /// Requests that were not accepted by the end.
    pub(crate) undelivered: u64,
    /// Requests that were refused with the expected status.
    pub(crate) refused: u64,
    pub(crate) findings: Findings,
    pub(crate) tally: Tally,
}

/// Sends all scenarios, then the remaining delayed requests, then the requests that were not accepted.
pub(crate) async fn send_all(run: &Run) -> Sent {
    let mut log = SendLog::new(Tally::new(Arc::clone(&run.live), Instant::now()));
    let delayed = Arc::new(DelayedRequests::new(run.plan.disorder.late_after));
    send(run, Schedule::all(), &delayed, run.plan.rate_per_second, &mut log).await;
    let remaining = Schedule::of(delayed.drain());
    send(run, remaining, &delayed, run.plan.rate_per_second, &mut log).await;
    let deadline = Instant::now() + run.plan.settle_within;
    while !log.undelivered.is_empty() && Instant::now() < deadline {
        let undelivered = Schedule::of(std::mem::take(&mut log.undelivered));
        send(run, undelivered, &delayed, None, &mut log).await;
    }
    finish(log)
}

async fn send(
    run: &Run,
    schedule: Schedule,
    delayed: &Arc<DelayedRequests>,
    rate_per_second: Option<u32>,
    log: &mut SendLog,
) {
    let (schedule, pacer) = (Arc::new(schedule), Arc::new(Pacer::new(rate_per_second)));
    let sender = || Sender { run: run.clone(), log: SendLog::new(log.tally.empty()) };
    let senders: Vec<_> = (0..run.plan.connections)
        .map(|_| sender().run(Arc::clone(&schedule), Arc::clone(delayed), Arc::clone(&pacer)))
        .map(tokio::spawn)
        .collect();
    for sender in senders {
        match sender.await {
            Ok(other) => log.add(other),
            Err(_) => log.findings.unread("a sender of the simulator panicked"),
        }
    }
}

/// Sorts the receipts. Two ids for the same event are reported as doubled.
fn finish(mut log: SendLog) -> Sent {
    log.receipts.sort_unstable();
    log.receipts.dedup();
    for pair in log.receipts.windows(2) {
        if let [one, other] = pair
            && (one.scenario, one.event) == (other.scenario, other.event)
        {
            let Receipt { scenario, event, .. } = one;
            log.findings.doubled(&format!("scenario {scenario}, event {event}: copies have two ids"));
        }
    }
    Sent {
        receipts: log.receipts,
        undelivered: log.undelivered.len() as u64,
        refused: log.refused,
        findings: log.findings,
        tally: log.tally,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_must_be_acknowledged_with_the_same_id() {
        let receipt = |event, event_id: &str| Receipt { scenario: 1, event, event_id: event_id.into() };
        let mut log = SendLog::new(Tally::new(Arc::default(), Instant::now()));
        log.receipts = vec![receipt(1, "b"), receipt(0, "a"), receipt(0, "a"), receipt(1, "c")];
        let sent = finish(log);
        assert_eq!(sent.receipts, [receipt(0, "a"), receipt(1, "b"), receipt(1, "c")]);
        assert_eq!(sent.findings.doubled, 1);
    }
}
