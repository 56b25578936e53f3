//! Failures of an event as dead letters, one function a cause, and the effect of an event's result on its dead letter.

use std::convert::identity;

use careq_shared::dead_letters::Class;
use careq_shared::event::Event;
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome, Parent};

use super::working_set::WorkingSet;
use crate::dead_letters::row::{DeadLetter, Try};
use crate::fault::{EventFault, FaultClass};
use crate::item::{self, Item};

/// The idempotency key belongs to other content.
pub(crate) fn key_reused(set: &mut WorkingSet, event: &Event) -> EventResult {
    let message = "The idempotency key was used before for other content; a new event needs a new key";
    let failure = Failure { code: ErrorCode::DuplicateRecord, message: message.to_owned() };
    record(set, event, Class::Conflict, failure, identity)
}

/// The hash belongs to another appointment.
pub(crate) fn hash_taken(set: &mut WorkingSet, event: &Event, owner: i64) -> EventResult {
    let message =
        format!("The hash belongs to appointment {owner}; every appointment needs a hash of its own");
    record(set, event, Class::Conflict, Failure { code: ErrorCode::DuplicateRecord, message }, identity)
}

/// The parents did not arrive in time.
pub(crate) fn parent_timed_out(set: &mut WorkingSet, event: &Event, missing: &[Parent]) -> EventResult {
    let names: Vec<_> = missing.iter().map(|parent| format!("{} {}", parent.kind, parent.careq_id)).collect();
    let message = format!("Waited for {} until the parent timeout", names.join(", "));
    let failure = Failure { code: ErrorCode::RecordNotFound, message };
    record(set, event, Class::MissingParent, failure, |letter| letter.waits_for(missing.first()))
}

/// The last attempt has failed, or no attempt can help.
pub(crate) fn failed(set: &mut WorkingSet, event: &Event, fault: &EventFault, attempts: i32) -> EventResult {
    let class = match fault.class {
        FaultClass::Permanent | FaultClass::Collision => Class::Data,
        FaultClass::Transient | FaultClass::Busy | FaultClass::Unusable => Class::Exhausted,
        FaultClass::NoResult => Class::CrashLoop,
    };
    let failure = Failure { code: ErrorCode::ServerError, message: fault.message.clone() };
    record(set, event, class, failure, |letter| letter.tried(attempts))
}

fn record(
    set: &mut WorkingSet,
    event: &Event,
    class: Class,
    failure: Failure,
    finish: impl FnOnce(DeadLetter) -> DeadLetter,
) -> EventResult {
    let earlier = set.parked.get(event.event_id.as_str()).map(|slot| Try::stored_in(&slot.row));
    let letter = DeadLetter::from_event(event, &set.settings.name)
        .because(class, &failure)
        .after(earlier.unwrap_or_default())
        .sealed(&set.seal, &item::payload(event));
    // A duplicate of the replayed event in the same batch finds it recorded.
    set.replaying.remove(event.event_id.as_str());
    set.dead_letters.push(finish(letter));
    EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false }
}

/// Notes the effect of an event's result on its dead letter, if it has one; `before` is the outcome in the ledger.
pub(crate) fn follow(set: &mut WorkingSet, item: &Item, before: Option<&Outcome>, result: &EventResult) {
    let has_failed = item.replay.is_some() || matches!(before, Some(Outcome::Failed(_)));
    let was_under_way = before.is_some_and(|outcome| !outcome.is_final());
    let event_id = item.event.event_id.as_str();
    match &result.outcome {
        Outcome::Waiting(_) | Outcome::Retrying if has_failed => {
            set.letter_updates.under_way.push(event_id.to_owned());
        }
        Outcome::Created | Outcome::Updated | Outcome::Unchanged if has_failed || was_under_way => {
            set.dead_letters.retain(|letter| letter.row.event_id.as_deref() != Some(event_id));
            set.letter_updates.resolved.push(event_id.to_owned());
        }
        // It has no dead letter; or it failed, and its dead letter is in the working set.
        _ => {}
    }
    if result.outcome.is_final() {
        set.replaying.remove(event_id);
    }
}
