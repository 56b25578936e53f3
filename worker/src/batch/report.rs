//! Reports results to each ingress, one message per ingress and batch. Reports are best effort: status pages give the same results.

use std::collections::BTreeMap;
use std::sync::Arc;

use careq_shared::event::Event;
use careq_shared::message::{self, RequestResult, Results, Verdict};
use careq_shared::outcome::EventResult;
use tracing::Span;

use crate::context::Context;
use crate::item::{Item, Membership, Request};

/// Sends the results of the requests.
pub(super) fn to_each_ingress(
    context: &Context,
    requests: &[Request],
    items: &[Item],
    results: Vec<EventResult>,
) {
    let mut by_request: Vec<BTreeMap<usize, EventResult>> =
        requests.iter().map(|_| BTreeMap::new()).collect();
    for (item, result) in items.iter().zip(results) {
        if let Some(place) = item.position
            && let Some(events) = by_request.get_mut(place.request)
        {
            events.insert(place.event, result);
        }
    }
    let mut by_mailbox: BTreeMap<&str, Vec<RequestResult>> = BTreeMap::new();
    for (request, events) in requests.iter().zip(by_request) {
        note(&request.span, &request.events, &events);
        if let (Some(reply_to), Some(verdict)) = (&request.reply_to, verdict(&request.batch, events)) {
            let result = RequestResult { request: reply_to.request, verdict };
            by_mailbox.entry(&reply_to.mailbox).or_default().push(result);
        }
    }
    for (mailbox, requests) in by_mailbox {
        if let Ok(body) = message::encode(&Results { requests }) {
            context.broker.tell(mailbox, body.into());
        }
    }
}

/// Records the outcome in the span of a single event's message.
fn note(span: &Span, events: &[Arc<Event>], results: &BTreeMap<usize, EventResult>) {
    if let (false, [event], Some(result)) = (span.is_disabled(), events, results.get(&0)) {
        span.record("kind", event.kind().as_str());
        span.record("careq_id", event.careq_id);
        span.record("outcome", result.outcome.as_str());
    }
}

fn verdict(batch: &Membership, events: BTreeMap<usize, EventResult>) -> Option<Verdict> {
    match batch {
        Membership::Single => events.into_values().next().map(Verdict::Event),
        Membership::Batch(_) => Some(Verdict::Batch(events.into_values().collect())),
        Membership::Conflicting => Some(Verdict::BatchConflict),
        Membership::Unregistered => None,
    }
}
