//! What becomes of one event: the rules in their order, on the working set alone. It must never touch the database, so
//! that a batch is decided as a whole.

use careq_shared::outcome::{EventResult, Outcome};
use sea_orm::DbErr;

use crate::dedupe::{self, Finding};
use crate::order::{Item, Treatment};
use crate::working_set::WorkingSet;
use crate::{dead_letters, fold, park, resolve, retry};

/// Decides over one event and notes in the working set what has to be written.
pub(crate) fn one(set: &mut WorkingSet, item: &Item) -> Result<EventResult, DbErr> {
    let event = match dedupe::find(set, item)? {
        Finding::Repeat(result) => {
            // Whoever stored it may have ended before anybody was woken.
            if result.outcome == Outcome::Created {
                set.wakes.stored(item.event.kind().record(), &item.event.clinic_id, item.event.careq_id);
            }
            park::release(set, &item.event);
            dedupe::repeated(set, &item.event);
            dead_letters::follow(set, item, None, &result);
            return Ok(result);
        }
        Finding::Spent => return Ok(NOTHING),
        Finding::KeyReused => return Ok(dead_letters::key_reused(set, &item.event)),
        Finding::Due(event) => event,
    };
    let result = match &item.treatment {
        Treatment::SetApart => retry::set_apart(set, &event),
        Treatment::Failed(fault) => retry::after(set, &event, fault),
        Treatment::Ordinary | Treatment::OnceMore => match resolve::check(set, &event) {
            resolve::Check::Missing(parents) => park::wait_for(set, &event, parents),
            resolve::Check::HashTaken(owner) => dead_letters::hash_taken(set, &event, owner),
            resolve::Check::Complete => fold::into_its_row(set, &event)?,
        },
    };
    if result.outcome.is_final() {
        park::release(set, &event);
    }
    let before = dedupe::known(set, &event);
    dead_letters::follow(set, item, before.as_ref(), &result);
    Ok(dedupe::note(set, &event, result))
}

/// Nobody waits for the result of a replay.
const NOTHING: EventResult =
    EventResult { outcome: Outcome::Unchanged, appointment_status: None, replayed: true };
