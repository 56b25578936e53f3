//! Parked events. The row in `parked_events` is written in the transaction that found the parent missing. Waiting costs no attempt.

use careq_shared::entities::parked_event;
use careq_shared::event::Event;
use careq_shared::outcome::{EventResult, Outcome, Parent};

use super::dead_letter;
use super::working_set::{Slot, State, WorkingSet};
use crate::item;

/// Parks an event until its parents arrive, or makes it a dead letter after its parent timeout.
pub(crate) fn wait_for(set: &mut WorkingSet, event: &Event, missing: Vec<Parent>) -> EventResult {
    let mut row = row(set, event);
    // The timeout counts from the first time that the event was parked.
    row.due_at = row.parked_at + set.settings.parent_timeout;
    if set.parent_deadline.is_some_and(|deadline| row.due_at <= deadline) {
        return dead_letter::parent_timed_out(set, event, &missing);
    }
    // One missing parent is enough: when it arrives, all of them are checked again.
    row.waiting_kind = missing.first().map(|parent| parent.kind.as_str().to_owned());
    row.waiting_careq_id = missing.first().map(|parent| parent.careq_id);
    row.attempts = 0;
    put(set, row);
    set.unpark_triggers.add_parked(event);
    EventResult { outcome: Outcome::Waiting(missing), appointment_status: None, replayed: false }
}

/// Deletes the row of an event that has its final outcome.
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

/// The stored row of an event with its current content, or a new one.
pub(crate) fn row(set: &WorkingSet, event: &Event) -> parked_event::Model {
    let new = item::parked_row(&set.seal, event, set.now);
    match set.parked.get(event.event_id.as_str()) {
        Some(Slot { row, .. }) => parked_event::Model { event: new.event, ..row.clone() },
        None => new,
    }
}

/// Puts a row into the working set, to be written.
pub(crate) fn put(set: &mut WorkingSet, row: parked_event::Model) {
    let state = match set.parked.get(&row.event_id) {
        Some(slot) if slot.state != State::New => State::Changed,
        _ => State::New,
    };
    set.parked.insert(row.event_id.clone(), Slot { row, state });
}
