//! Sends all scenarios as CareQ does: at a rate, signed, with its retries.
//!
//! Requests that were never accepted are sent again at the end, when the fault may be over. The state of every event is then
//! known.

mod due;
mod pass;
mod schedule;

use std::sync::Arc;
use std::time::Instant;

pub(crate) use pass::Receipt;
use pass::{Pass, Sent};
use schedule::ScheduledRequest;

use crate::report::Finding;
use crate::run::Run;

/// Sends all scenarios, then the remaining delayed requests, then the requests that were not accepted. Returns the receipts,
/// sorted and without duplicates.
pub(crate) async fn send_all(run: &Arc<Run>) -> Vec<Receipt> {
    let single = |id| vec![ScheduledRequest::new(&run.world, id)];
    let mut sent = Sent::default();
    let pass = Pass::new(run, run.plan.rate_per_second);
    pass.send(schedule::groups(&run.plan, &run.world), &mut sent).await;
    let remaining = pass.delayed.drain().into_iter().map(single);
    Pass::new(run, run.plan.rate_per_second).send(remaining, &mut sent).await;
    let deadline = Instant::now() + run.plan.settle_within;
    while !sent.undelivered.is_empty() && Instant::now() < deadline {
        let undelivered = std::mem::take(&mut sent.undelivered).into_iter().map(single);
        Pass::new(run, None).send(undelivered, &mut sent).await;
    }
    let mut receipts = sent.receipts;
    receipts.sort_unstable();
    receipts.dedup();
    let doubled = twice_named(&receipts);
    let mut report = run.report();
    for Receipt { scenario, event, .. } in doubled {
        let sentence = format!("scenario {scenario}, event {event}: copies have two ids");
        report.find(Finding::Doubled, &sentence);
    }
    report.acknowledged = receipts.len();
    report.undelivered = sent.undelivered.len();
    drop(report);
    receipts
}

/// Events with two ids.
fn twice_named(receipts: &[Receipt]) -> impl Iterator<Item = &Receipt> {
    let pairs = receipts.iter().zip(receipts.iter().skip(1));
    pairs.filter(|(one, next)| (one.scenario, one.event) == (next.scenario, next.event)).map(|(one, _)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_must_be_acknowledged_with_the_same_id() {
        let receipt = |event, event_id: &str| Receipt { scenario: 1, event, event_id: event_id.into() };
        let receipts = [receipt(0, "a"), receipt(1, "b"), receipt(1, "c"), receipt(2, "d")];
        assert_eq!(twice_named(&receipts).collect::<Vec<_>>(), [&receipt(1, "b")]);
    }
}
