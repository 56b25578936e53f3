//! Metrics and spans of a batch, from values that its stages already have.

use std::time::Instant;

use careq_shared::broker::{Delivery, Queue};
use careq_shared::clock;
use careq_shared::dead_letters::Class;
use careq_shared::outcome::EventResult;
use careq_shared::telemetry::metrics::{
    Attempted, ByClass, ByKind, ByQueue, ByTable, InFlight, InHandBatch, No, OfPart, Settled, metrics,
};
use careq_shared::telemetry::traces::{self, SPAN, TraceContext};
use tracing::Span;

use crate::item::{Item, Membership, Request};

/// Span of a batch, in a trace of its own, linked to the traced messages.
pub(crate) fn batch(queue: Queue, deliveries: &[Delivery]) -> Span {
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "batch",
        otel.kind = "consumer",
        messaging.destination.name = queue.as_str(),
        messaging.operation.type = "receive",
        messaging.batch.message_count = i64::try_from(deliveries.len()).unwrap_or(i64::MAX),
    );
    if !span.is_disabled() {
        deliveries
            .iter()
            .filter_map(|delivery| delivery.trace.as_ref())
            .for_each(|place| traces::linked(&span, place));
    }
    span
}

/// Span of one message in the publisher's trace, from its delivery to its acknowledgement.
pub(crate) fn message(place: Option<&TraceContext>, queue: Queue) -> Span {
    let Some(place) = place else { return Span::none() };
    let span = tracing::info_span!(
        target: SPAN,
        parent: None,
        "settle",
        otel.kind = "consumer",
        messaging.destination.name = queue.as_str(),
        messaging.operation.type = "process",
        kind = tracing::field::Empty,
        careq_id = tracing::field::Empty,
        outcome = tracing::field::Empty,
    );
    if !span.is_disabled() {
        traces::continued(&span, place);
        if let Some(batch) = traces::context_of(&Span::current()) {
            traces::linked(&span, &batch);
        }
    }
    span
}

/// Span of one transaction.
pub(crate) fn transaction(items: &[Item]) -> Span {
    tracing::info_span!(target: SPAN, "transaction", count = i64::try_from(items.len()).unwrap_or(i64::MAX))
}

/// Registers the batch in flight while the value lives. Replayed events are left out: their age says nothing of the backlog.
pub(crate) fn in_flight(requests: &[Request]) -> (InFlight<'static>, Option<InHandBatch<'static>>) {
    let events = requests.iter().map(|request| match &request.batch {
        Membership::Batch(batch) => batch.entries.len(),
        Membership::Single | Membership::Conflicting | Membership::Unregistered => request.events.len(),
    });
    let events = metrics().activity.begin(events.sum());
    let first_time = requests.iter().filter(|request| request.replay.is_none());
    let accepted_at = first_time.filter_map(|request| match &request.batch {
        Membership::Batch(batch) => Some(batch.accepted_at),
        Membership::Single | Membership::Conflicting | Membership::Unregistered => {
            request.events.first().map(|event| event.accepted_at)
        }
    });
    (events, accepted_at.min().map(|oldest| metrics().in_hand.take(oldest)))
}

/// Counts an acknowledged batch.
pub(crate) fn worked(queue: Queue, messages: usize, began_at: Instant) {
    let label = ByQueue { queue: queue.as_str() };
    metrics()
        .batch_messages
        .get_or_create(&label)
        .observe(u32::try_from(messages).unwrap_or(u32::MAX).into());
    metrics().batch_duration.get_or_create(&label).observe(began_at.elapsed().as_secs_f64());
    metrics().activity.batch(began_at.elapsed());
}

/// Counts committed results.
pub(crate) fn committed(items: &[Item], results: &[EventResult]) {
    let now = clock::now();
    metrics().activity.events(results.len());
    for (Item { event, replay, .. }, result) in items.iter().zip(results) {
        let kind = event.kind().as_str();
        let outcome = if result.replayed { "repeated" } else { result.outcome.as_str() };
        metrics().results.get_or_create(&Settled { kind, outcome }).inc();
        if result.outcome.is_final() && !result.replayed && replay.is_none() {
            let duration = (now - event.accepted_at).to_std().unwrap_or_default();
            metrics().settling_duration.get_or_create(&ByKind { kind }).observe(duration.as_secs_f64());
        }
    }
}

/// Counts a committed dead letter.
pub(crate) fn recorded(class: Class) {
    metrics().buried.get_or_create(&ByClass { class: class.as_str() }).inc();
}

/// Counts a retried transaction.
pub(crate) fn repeated(reason: &'static str) {
    metrics().repeated_transactions.get_or_create(&Attempted { reason }).inc();
}

/// Registers retried database work while the value lives.
pub(crate) fn repeating() -> InHandBatch<'static> {
    metrics().repeating.take(clock::now())
}

/// Counts a restarted part of the worker.
pub(crate) fn restarted(part: &'static str) {
    metrics().restarted_parts.get_or_create(&OfPart { part }).inc();
}

/// Counts deleted rows.
pub(crate) fn pruned(table: &'static str, rows: u64) {
    metrics().pruned_rows.get_or_create(&ByTable { table }).inc_by(rows);
}

/// Counts further attempts of failed events.
pub(crate) fn retried(count: usize) {
    metrics().retried_events.get_or_create(&No {}).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Records the number of partitions of this worker.
pub(crate) fn assigned(partitions: usize) {
    let partitions = i64::try_from(partitions).unwrap_or(i64::MAX);
    metrics().assigned_partitions.get_or_create(&No {}).set(partitions);
}
