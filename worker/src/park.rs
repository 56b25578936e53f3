//! Events that wait for a parent. Waiting must never burn an attempt, and never lose its place: the row in `parked_events`
//! is written in the transaction that found the parent missing.

use std::sync::Arc;

use careq_shared::entities::parked_event;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::outcome::{EventResult, Outcome, Parent};
use careq_shared::seal::{AssociatedData, OpenError, Seal};
use chrono::{DateTime, Utc};

use crate::dead_letters;
use crate::order::{Item, Treatment};
use crate::working_set::{Slot, State, WorkingSet};

/// Keeps an event until its parents arrive, or buries it when its patience is over.
pub(crate) fn wait_for(set: &mut WorkingSet, event: &Event, missing: Vec<Parent>) -> EventResult {
    let Ok(mut row) = row(set, event) else { return dead_letters::unwritable(set, event) };
    // Patience counts from the first time that it was parked, however often it is looked at.
    row.due_at = row.parked_at + set.settings.parent_timeout;
    if set.patience_ended.is_some_and(|ended| row.due_at <= ended) {
        return dead_letters::parent_never_came(set, event, &missing);
    }
    // One missing parent is enough to wait for: when it arrives, the others are looked for again.
    row.waiting_kind = missing.first().map(|parent| parent.kind.as_str().to_owned());
    row.waiting_careq_id = missing.first().map(|parent| parent.careq_id);
    row.attempts = 0;
    put(set, row);
    set.wakes.parked(event.event_id.as_str());
    EventResult { outcome: Outcome::Waiting(missing), appointment_status: None, replayed: false }
}

/// Forgets that an event waited: it has its final outcome.
pub(crate) fn release(set: &mut WorkingSet, event: &Event) {
    let event_id = event.event_id.as_str();
    match set.parked.get_mut(event_id) {
        Some(slot) if slot.state == State::New => {
            set.parked.remove(event_id);
        }
        Some(slot) => slot.state = State::Deleted,
        None => {}
    }
}

/// The row of an event, as it is or new.
pub(crate) fn row(set: &WorkingSet, event: &Event) -> Result<parked_event::Model, message::Undecodable> {
    let new = new_row(&set.seal, event, set.now)?;
    Ok(match set.parked.get(event.event_id.as_str()) {
        Some(Slot { row, .. }) => parked_event::Model { event: new.event, ..row.clone() },
        None => new,
    })
}

/// The row of an event that was not parked before.
pub(crate) fn new_row(
    seal: &Seal,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<parked_event::Model, message::Undecodable> {
    let place = AssociatedData::parked_event(event.event_id.as_str());
    Ok(parked_event::Model {
        event_id: event.event_id.as_str().to_owned(),
        clinic_id: event.clinic_id.clone(),
        kind: event.kind().as_str().to_owned(),
        careq_id: event.careq_id,
        event: seal.seal(place, &message::encode(event)?),
        waiting_kind: None,
        waiting_careq_id: None,
        due_at: now,
        attempts: 0,
        parked_at: now,
        last_message: None,
        tries: None,
    })
}

/// When the delivery that a row keeps was accepted; nothing where it cannot be read.
pub(crate) fn accepted_at(seal: &Seal, row: &parked_event::Model) -> Option<DateTime<Utc>> {
    item(seal, row, Treatment::Ordinary).ok().map(|item| item.event.accepted_at)
}

/// Notes that the row has to be written.
pub(crate) fn put(set: &mut WorkingSet, row: parked_event::Model) {
    let state = match set.parked.get(&row.event_id) {
        Some(slot) if slot.state != State::New => State::Changed,
        _ => State::New,
    };
    set.parked.insert(row.event_id.clone(), Slot { row, state });
}

/// Why a parked row gives no event.
pub(crate) enum Unreadable {
    /// It cannot be opened: an operator's business, and no reason to give the event up.
    Sealed(OpenError),
    /// Its bytes are no event.
    Undecodable(Vec<u8>),
}

/// The event of a parked row.
pub(crate) fn item(seal: &Seal, row: &parked_event::Model, treatment: Treatment) -> Result<Item, Unreadable> {
    let bytes =
        seal.open(AssociatedData::parked_event(&row.event_id), &row.event).map_err(Unreadable::Sealed)?;
    let Ok(event) = message::decode(&bytes) else { return Err(Unreadable::Undecodable(bytes)) };
    let (event, bytes) = (Arc::new(event), bytes.len());
    Ok(Item { event, bytes, treatment, place: None, replay: None, is_redelivered: false })
}
