//! The retention rule of each table. A foreign key deletes the attempts of a dead letter with it. A job and an audit entry may have a
//! million places or links, which are deleted in steps before them.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{audit_entry, batch, dead_letter, event, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use sea_orm::sea_query::{Alias, Expr, Query, SimpleExpr};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait, IntoSimpleExpr as _};

use super::step::{Children, Rule};

const MAX_ROWS: u64 = 500;

/// Finished and cancelled replay jobs, unless a dead letter of it waits.
pub(super) fn jobs() -> Rule<replay_job::Entity> {
    use replay_job::Column::{FinishedAt, Id, State};
    Rule {
        table: "replay_jobs",
        at: FinishedAt,
        key: Id,
        max_rows: 1,
        due: |_| {
            let is_ended = State.is_in([JobState::Finished, JobState::Cancelled]);
            let of_job = replay_job_letter::Column::JobId.into_simple_expr().eq(Id.into_simple_expr());
            Condition::all().add(is_ended).add(has_unfinished_place(of_job).not())
        },
        skip_locked: true,
        children: Some(Children {
            table: "replay_job_letters",
            key: ["job_id", "letter_id"],
            parent: "job_id",
        }),
        after_deletion: None,
    }
}

/// Dead letters that were resolved, discarded or superseded, unless an unfinished replay job refers to them, or their correction is open or
/// being replayed.
pub(super) fn dead_letters() -> Rule<dead_letter::Entity> {
    use dead_letter::Column::{Id, OriginalId, SettledAt, State};
    Rule {
        table: "dead_letters",
        at: SettledAt,
        key: Id,
        max_rows: MAX_ROWS,
        due: |_| {
            let settled =
                [DeadLetterState::Resolved, DeadLetterState::Discarded, DeadLetterState::Superseded];
            let of_letter = replay_job_letter::Column::LetterId.into_simple_expr().eq(Id.into_simple_expr());
            let correction = |column| Expr::col((Alias::new("correction"), column));
            let open_correction = Query::select()
                .expr(Expr::val(1))
                .from_as(dead_letter::Entity, Alias::new("correction"))
                .and_where(correction(OriginalId).eq(Id.into_simple_expr()))
                .and_where(correction(State).is_in([DeadLetterState::Open, DeadLetterState::Replaying]))
                .to_owned();
            Condition::all()
                .add(State.is_in(settled))
                .add(has_unfinished_place(of_letter).not())
                .add(Expr::exists(open_correction).not())
        },
        skip_locked: true,
        children: None,
        after_deletion: None,
    }
}

/// Batches. Nothing refers to one.
pub(super) fn batches() -> Rule<batch::Entity> {
    use batch::Column::{AcceptedAt, BatchId};
    Rule {
        table: "batches",
        at: AcceptedAt,
        key: BatchId,
        max_rows: MAX_ROWS,
        due: |_| Condition::all(),
        skip_locked: true,
        children: None,
        after_deletion: None,
    }
}

/// Events that are settled, from the settlement or the last duplicate, unless they have a dead letter. A later duplicate of a deleted
/// event is a new event.
pub(super) fn events() -> Rule<event::Entity> {
    use event::Column::{AcceptedAt, EventId, Outcome, RepeatedAt, SettledAt};
    Rule {
        table: "events",
        // An event is settled after it was accepted.
        at: AcceptedAt,
        key: EventId,
        max_rows: MAX_ROWS,
        due: |before| {
            let of_event = dead_letter::Column::EventId.into_simple_expr().eq(EventId.into_simple_expr());
            Condition::all()
                // The final outcomes by name: an outcome that a later version adds is kept.
                .add(Outcome.is_in(["created", "updated", "unchanged", "failed"]))
                .add(SettledAt.lt(before))
                .add(RepeatedAt.is_null().or(RepeatedAt.lt(before)))
                .add(exists::<dead_letter::Entity>(of_event).not())
        },
        skip_locked: true,
        children: None,
        after_deletion: None,
    }
}

/// Entries of the audit log. By default they are kept.
pub(super) fn audit_entries() -> Rule<audit_entry::Entity> {
    use audit_entry::Column::{At, Id};
    Rule {
        table: "audit_log",
        at: At,
        key: Id,
        max_rows: 50,
        due: |_| Condition::all(),
        skip_locked: false,
        children: Some(Children {
            table: "audit_letters",
            key: ["letter_id", "audit_id"],
            parent: "audit_id",
        }),
        // The chain starts with the oldest kept entry, or with the next one.
        after_deletion: Some(
            "UPDATE audit_head SET first = coalesce((SELECT min(sequence) FROM audit_log), sequence + 1)",
        ),
    }
}

/// Condition: a place in a replay job matches, and its dead letter has no outcome yet.
fn has_unfinished_place(of_row: SimpleExpr) -> SimpleExpr {
    exists::<replay_job_letter::Entity>(
        of_row.and(replay_job_letter::Column::State.is_in(JobLetterState::UNDER_WAY)),
    )
}

/// Condition: the table has such a row.
fn exists<E: EntityTrait>(condition: SimpleExpr) -> SimpleExpr {
    Expr::exists(Query::select().expr(Expr::val(1)).from(E::default()).and_where(condition).to_owned())
}

#[cfg(test)]
mod tests {
    use careq_shared::entities;

    use super::*;

    /// The doctor asks the permission to delete from these alone.
    #[test]
    fn nothing_is_deleted_from_a_table_that_is_not_listed() {
        let listed = entities::deleted_from();
        for table in
            [jobs().table, dead_letters().table, batches().table, events().table, audit_entries().table]
        {
            assert!(listed.iter().any(|name| name == table), "{table}");
        }
    }
}
