//! Deduplication by the ledger: one row an event, found by clinic and idempotency key.

use std::sync::Arc;

use careq_shared::entities::event;
use careq_shared::event::Event;
use careq_shared::ledger;
use careq_shared::outcome::{EventResult, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::working_set::{Slot, WorkingSet};
use crate::item::{self, Item};

/// Result of the lookup of an event.
#[derive(Debug)]
pub(crate) enum Finding {
    /// A duplicate: it gets the first result.
    Duplicate(EventResult),
    /// The key belongs to an event with other content.
    KeyReused,
    /// A replayed event whose dead letter is no longer part of the job: it changes nothing.
    Spent,
    /// To be applied, with the acceptance that counts.
    Due(Arc<Event>),
}

/// Looks an event up in the ledger.
pub(crate) fn find(set: &WorkingSet, item: &Item) -> Result<Finding, DbErr> {
    let event = &item.event;
    if item.replay.is_some() && !set.replaying.contains(event.event_id.as_str()) {
        return Ok(Finding::Spent);
    }
    let latest = latest_delivery(set, event);
    let Some(Slot { row, .. }) = set.ledger.get(&key(event)) else {
        return Ok(due_as_of(event, latest));
    };
    if row.content_digest != event.content_digest {
        return Ok(Finding::KeyReused);
    }
    let known = ledger::read(row)?;
    if item.replay.is_some() && matches!(known.outcome, Outcome::Failed(_)) {
        // The dead letter may hold an earlier delivery than the latest one.
        return Ok(due_as_of(event, event.accepted_at.max(row.accepted_at)));
    }
    if event.may_come_again() {
        if known.outcome.is_final() && latest <= row.accepted_at {
            return Ok(Finding::Duplicate(EventResult { replayed: true, ..known }));
        }
        // Deliveries count as the latest of them: A, B, A without a stamp ends in A, in any order of processing.
        return Ok(due_as_of(event, latest.max(row.accepted_at)));
    }
    // CareQ repeats an event that has failed; the obstacle may be gone.
    if matches!(known.outcome, Outcome::Failed(_)) && event.accepted_at > row.accepted_at {
        return Ok(Finding::Due(Arc::clone(event)));
    }
    if known.outcome.is_final() {
        return Ok(Finding::Duplicate(EventResult { replayed: true, ..known }));
    }
    // The event waits or is retried: the duplicate is applied with the original's acceptance.
    Ok(due_as_of(event, row.accepted_at))
}

/// The latest acceptance of an event. For an event that may come again, a later delivery may be parked: it was accepted while another
/// session held the ledger row.
fn latest_delivery(set: &WorkingSet, event: &Event) -> DateTime<Utc> {
    let parked = set.parked.get(event.event_id.as_str()).filter(|_| event.may_come_again());
    let parked = parked.and_then(|slot| item::parked_delivery(&set.seal, &slot.row));
    parked.map_or(event.accepted_at, |parked| parked.max(event.accepted_at))
}

fn due_as_of(event: &Event, accepted_at: DateTime<Utc>) -> Finding {
    Finding::Due(Arc::new(Event { accepted_at, ..event.clone() }))
}

/// A duplicate is noted once a day, so that `retention.events_days` counts from the last one without a write for each.
const NOTE_INTERVAL: TimeDelta = TimeDelta::days(1);

/// Notes a duplicate in the ledger.
pub(crate) fn note_duplicate(set: &mut WorkingSet, event: &Event) {
    let now = set.now;
    let Some(slot) = set.ledger.get_mut(&key(event)) else { return };
    let last_seen_at = slot.row.repeated_at.unwrap_or(slot.row.settled_at);
    if now - last_seen_at > NOTE_INTERVAL {
        slot.row.repeated_at = Some(now);
        slot.touch();
    }
}

/// Writes the result of a due event to the ledger; returns the result to be reported.
pub(crate) fn note_result(set: &mut WorkingSet, event: &Event, result: EventResult) -> EventResult {
    let now = set.now;
    let Some(slot) = set.ledger.get_mut(&key(event)) else {
        let mut row = new_row(event, now);
        ledger::write(&result, &mut row);
        set.ledger.insert(key(event), Slot::new(row));
        return result;
    };
    slot.touch();
    slot.row.accepted_at = event.accepted_at;
    let first = ledger::read(&slot.row);
    // A repeated event that still is the newest changes nothing: it gets the first result.
    if let (Ok(first), Outcome::Unchanged) = (first, &result.outcome)
        && matches!(first.outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged)
    {
        return EventResult { replayed: true, ..first };
    }
    ledger::write(&result, &mut slot.row);
    slot.row.settled_at = now;
    result
}

/// Whether the ledger has the event.
pub(crate) fn is_known(set: &WorkingSet, event: &Event) -> bool {
    set.ledger.contains_key(&key(event))
}

/// The event's outcome in the ledger.
pub(crate) fn known_outcome(set: &WorkingSet, event: &Event) -> Option<Outcome> {
    let slot = set.ledger.get(&key(event))?;
    ledger::read(&slot.row).ok().map(|known| known.outcome)
}

fn key(event: &Event) -> (String, String) {
    (event.clinic_id.clone(), event.idempotency_key.as_str().to_owned())
}

fn new_row(event: &Event, now: DateTime<Utc>) -> event::Model {
    event::Model {
        event_id: event.event_id.as_str().to_owned(),
        clinic_id: event.clinic_id.clone(),
        idempotency_key: event.idempotency_key.as_str().to_owned(),
        content_digest: event.content_digest.clone(),
        kind: event.kind().as_str().to_owned(),
        careq_id: event.careq_id,
        accepted_at: event.accepted_at,
        outcome: String::new(),
        appointment_status: None,
        error_code: None,
        error_message: None,
        waiting_for: None,
        settled_at: now,
        repeated_at: None,
    }
}

#[cfg(test)]
#[path = "dedupe_tests.rs"]
mod tests;
