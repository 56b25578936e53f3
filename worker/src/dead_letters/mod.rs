//! What needs a person, and why: every cause of a dead letter, as it is decided within a batch. A letter must never lose its
//! payload, and its message must never quote it.

mod follow;
mod keep;
mod row;
mod wait;
mod write;

use careq_shared::dead_letters::Class;
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome, Parent};

use crate::fault::{EventFault, FaultClass};
use crate::working_set::WorkingSet;
use crate::{observe, retry};

pub(crate) use follow::{Followed, follow, gone_through};
pub(crate) use keep::{keep_batch, keep_undecodable, keep_unnoted, keep_unreadable};
pub(crate) use row::Letter;
pub(crate) use wait::{wait_again, wait_again_beside_parents};
pub(crate) use write::changes;

pub(crate) fn key_reused(set: &mut WorkingSet, event: &Event) -> EventResult {
    let message =
        "The idempotency key was used before for other content; a new event needs a new key".to_owned();
    conflict(set, event, message)
}

pub(crate) fn hash_taken(set: &mut WorkingSet, event: &Event, owner: i64) -> EventResult {
    let message =
        format!("The hash belongs to appointment {owner}; every appointment needs a hash of its own");
    conflict(set, event, message)
}

fn conflict(set: &mut WorkingSet, event: &Event, message: String) -> EventResult {
    let failure = Failure { code: ErrorCode::DuplicateRecord, message };
    let letter = letter(set, event, Class::Conflict, &failure, 1);
    bury(set, event, letter, failure)
}

pub(crate) fn parent_never_came(set: &mut WorkingSet, event: &Event, missing: &[Parent]) -> EventResult {
    let names: Vec<_> = missing.iter().map(|parent| format!("{} {}", parent.kind, parent.careq_id)).collect();
    let message = format!("Waited for {} until the patience was over", names.join(", "));
    let failure = Failure { code: ErrorCode::RecordNotFound, message };
    let letter = letter(set, event, Class::MissingParent, &failure, 1).waits_for(missing.first());
    bury(set, event, letter, failure)
}

pub(crate) fn failed(set: &mut WorkingSet, event: &Event, fault: &EventFault, attempts: i32) -> EventResult {
    let class = match fault.class {
        FaultClass::Permanent | FaultClass::Collision => Class::Data,
        FaultClass::Transient | FaultClass::Busy | FaultClass::Unusable => Class::Exhausted,
        FaultClass::NoResult => Class::CrashLoop,
    };
    let failure = Failure { code: ErrorCode::ServerError, message: fault.message.clone() };
    let letter = letter(set, event, class, &failure, attempts);
    bury(set, event, letter, failure)
}

/// An event that cannot even be written down again.
pub(crate) fn unwritable(set: &mut WorkingSet, event: &Event) -> EventResult {
    failed(set, event, &EventFault::unwritable(), 1)
}

/// Counts letters that have failed and are committed, and says so of each: once, however often its transaction began anew.
pub(crate) fn told(letters: &[&Letter]) {
    for letter in letters {
        letter.log();
        letter.class.into_iter().for_each(observe::buried);
    }
}

fn letter(set: &WorkingSet, event: &Event, class: Class, failure: &Failure, attempts: i32) -> Letter {
    let earlier = set.parked.get(event.event_id.as_str()).map(|slot| retry::tries(&slot.row));
    Letter::of_event(event, &set.settings.name)
        .because(class, failure)
        .tried(attempts, earlier.unwrap_or_default())
        .sealed(&set.seal, &payload(event))
}

fn bury(set: &mut WorkingSet, event: &Event, letter: Letter, failure: Failure) -> EventResult {
    // A copy beside it in this batch finds it dead.
    set.replaying.remove(event.event_id.as_str());
    set.dead_letters.push(letter);
    EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false }
}

/// What a letter keeps of its event: all that is left of what CareQ was promised.
#[expect(
    clippy::expect_used,
    reason = "a letter without its event would lose it: the process must rather end"
)]
fn payload(event: &Event) -> Vec<u8> {
    message::encode(event).expect("an event can be written as JSON")
}
