//! A letter follows its event: it is under way while the event is, and resolved when the event has gone through, whoever sent it
//! again. An event that never failed must cost nothing here.

use careq_shared::outcome::{EventResult, Outcome};

use crate::order::Item;
use crate::working_set::WorkingSet;

/// Ids of events whose letters have something to learn from this transaction.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// They have gone through.
    pub(super) resolved: Vec<String>,
    /// They had failed, and wait for a parent or another attempt now.
    pub(super) under_way: Vec<String>,
}

/// Notes what an event's letter, if it has one, learns from its result; `before` is what the ledger said.
pub(crate) fn follow(set: &mut WorkingSet, item: &Item, before: Option<&Outcome>, result: &EventResult) {
    let has_failed = item.replay.is_some() || matches!(before, Some(Outcome::Failed(_)));
    let was_under_way = before.is_some_and(|outcome| !outcome.is_final());
    let event_id = item.event.event_id.as_str();
    match &result.outcome {
        Outcome::Waiting(_) | Outcome::Retrying if has_failed => {
            set.followed.under_way.push(event_id.to_owned());
        }
        Outcome::Created | Outcome::Updated | Outcome::Unchanged if has_failed || was_under_way => {
            set.dead_letters.retain(|letter| letter.row.event_id.as_deref() != Some(event_id));
            set.followed.resolved.push(event_id.to_owned());
        }
        // It has no letter; or, where it failed, its letter is written with the batch's others.
        _ => {}
    }
    if result.outcome.is_final() {
        set.replaying.remove(event_id);
    }
}
