//! The rules of one event, in their order, on the working set alone.

use careq_shared::outcome::{EventResult, Outcome};
use sea_orm::DbErr;

use super::dedupe::{self, Finding};
use super::working_set::WorkingSet;
use super::{dead_letter, merge, park, resolve, retry};
use crate::item::{Item, Treatment};

/// Decides the outcome of an event and changes the working set accordingly.
pub(crate) fn event(set: &mut WorkingSet, item: &Item) -> Result<EventResult, DbErr> {
    let event = match dedupe::find(set, item)? {
        Finding::Duplicate(result) => {
            // The worker that stored the event may have ended before it unparked the event's children.
            if result.outcome == Outcome::Created {
                set.unpark_triggers.add_stored(&item.event);
            }
            park::release(set, &item.event);
            dedupe::note_duplicate(set, &item.event);
            dead_letter::follow(set, item, None, &result);
            return Ok(result);
        }
        Finding::Spent => return Ok(NOTHING),
        Finding::KeyReused => {
            let result = dead_letter::key_reused(set, &item.event);
            park::release(set, &item.event);
            return Ok(result);
        }
        Finding::Due(event) => event,
    };
    let result = match &item.treatment {
        Treatment::SetApart => retry::set_apart(set, &event),
        Treatment::Failed(fault) => retry::after_failure(set, &event, fault),
        Treatment::Ordinary | Treatment::OnceMore => match resolve::check(set, &event) {
            resolve::Check::Missing(parents) => park::wait_for(set, &event, parents),
            resolve::Check::HashTaken(owner) => dead_letter::hash_taken(set, &event, owner),
            resolve::Check::Complete => merge::event(set, &event)?,
        },
    };
    if result.outcome.is_final() {
        park::release(set, &event);
    }
    let before = dedupe::known_outcome(set, &event);
    dead_letter::follow(set, item, before.as_ref(), &result);
    Ok(dedupe::note_result(set, &event, result))
}

/// Result of a replayed event that changes nothing; no client waits for it.
const NOTHING: EventResult =
    EventResult { outcome: Outcome::Unchanged, appointment_status: None, replayed: true };
