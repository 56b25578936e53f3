//! The ledger: one row an event, found by clinic and idempotency key. An event whose row says how it ended must never be
//! applied again.

use std::sync::Arc;

use careq_shared::entities::event;
use careq_shared::event::Event;
use careq_shared::ledger;
use careq_shared::outcome::{EventResult, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use crate::order::Item;
use crate::park;
use crate::working_set::{Slot, WorkingSet};

/// What the ledger knows of an event.
pub(crate) enum Finding {
    /// The same event again: the first answer again.
    Repeat(EventResult),
    /// The key belongs to an event with other content.
    KeyReused,
    /// A replayed copy whose letter has had its outcome: it changes nothing.
    Spent,
    /// To be applied, with the acceptance stamp that counts.
    Due(Arc<Event>),
}

/// Looks an event up.
pub(crate) fn find(set: &WorkingSet, item: &Item) -> Result<Finding, DbErr> {
    let event = &item.event;
    let is_under_way = set.replaying.contains(event.event_id.as_str());
    if item.replay.is_some() && !is_under_way {
        return Ok(Finding::Spent);
    }
    let latest = latest_of_copies(set, event);
    let Some(Slot { row, .. }) = set.ledger.get(&key(event)) else {
        return Ok(due_as_of(event, latest));
    };
    if row.content_digest != event.content_digest {
        return Ok(Finding::KeyReused);
    }
    let known = ledger::read(row)?;
    if item.replay.is_some() && matches!(known.outcome, Outcome::Failed(_)) {
        // The letter may be older than the last time that CareQ sent it.
        return Ok(due_as_of(event, event.accepted_at.max(row.accepted_at)));
    }
    if event.may_come_again() {
        if known.outcome.is_final() && latest <= row.accepted_at {
            return Ok(Finding::Repeat(EventResult { replayed: true, ..known }));
        }
        // Copies count as the latest of them: A, B, A without any stamp ends in A, in whatever order they come.
        return Ok(due_as_of(event, latest.max(row.accepted_at)));
    }
    // CareQ sends again what it was told had failed, and what stood in its way may be gone.
    if matches!(known.outcome, Outcome::Failed(_)) && event.accepted_at > row.accepted_at {
        return Ok(Finding::Due(Arc::clone(event)));
    }
    if known.outcome.is_final() {
        return Ok(Finding::Repeat(EventResult { replayed: true, ..known }));
    }
    // Waiting, or to be tried again: a copy is as good as the original, whose stamp it takes.
    Ok(due_as_of(event, row.accepted_at))
}

/// When an event was accepted; of one that may come again, its latest copy: one that came while the ledger could not be written may be
/// parked, and goes with the row.
fn latest_of_copies(set: &WorkingSet, event: &Event) -> DateTime<Utc> {
    let parked = set.parked.get(event.event_id.as_str()).filter(|_| event.may_come_again());
    let parked = parked.and_then(|slot| park::accepted_at(&set.seal, &slot.row));
    parked.map_or(event.accepted_at, |parked| parked.max(event.accepted_at))
}

fn due_as_of(event: &Event, accepted_at: DateTime<Utc>) -> Finding {
    Finding::Due(Arc::new(Event { accepted_at, ..event.clone() }))
}

/// A copy costs no write, but one a day: an event that is still spoken of is not forgotten (`retention.events_days`).
const REPEATS_ARE_NOTED_AFTER: TimeDelta = TimeDelta::days(1);

/// Notes that a copy has come, if nothing has been heard of the event for a day.
pub(crate) fn repeated(set: &mut WorkingSet, event: &Event) {
    let now = set.now;
    let Some(slot) = set.ledger.get_mut(&key(event)) else { return };
    let heard_of = slot.row.repeated_at.unwrap_or(slot.row.settled_at);
    if now - heard_of > REPEATS_ARE_NOTED_AFTER {
        slot.row.repeated_at = Some(now);
        slot.touch();
    }
}

/// Notes the result of an event that was due, and gives the answer for it.
pub(crate) fn note(set: &mut WorkingSet, event: &Event, result: EventResult) -> EventResult {
    let now = set.now;
    let Some(slot) = set.ledger.get_mut(&key(event)) else {
        let mut row = row(event, now);
        ledger::write(&result, &mut row);
        set.ledger.insert(key(event), Slot::new(row));
        return result;
    };
    slot.touch();
    slot.row.accepted_at = event.accepted_at;
    let first = ledger::read(&slot.row);
    // The same request again while it still is the newest changes nothing and answers the same.
    if let (Ok(first), Outcome::Unchanged) = (first, &result.outcome)
        && matches!(first.outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged)
    {
        return EventResult { replayed: true, ..first };
    }
    ledger::write(&result, &mut slot.row);
    slot.row.settled_at = now;
    result
}

/// Whether the ledger has a row of an event.
pub(crate) fn is_known(set: &WorkingSet, event: &Event) -> bool {
    set.ledger.contains_key(&key(event))
}

/// What the ledger says of an event at this moment.
pub(crate) fn known(set: &WorkingSet, event: &Event) -> Option<Outcome> {
    let slot = set.ledger.get(&key(event))?;
    ledger::read(&slot.row).ok().map(|known| known.outcome)
}

fn key(event: &Event) -> (String, String) {
    (event.clinic_id.clone(), event.idempotency_key.as_str().to_owned())
}

fn row(event: &Event, now: DateTime<Utc>) -> event::Model {
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
