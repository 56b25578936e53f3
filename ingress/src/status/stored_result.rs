//! The stored result of an event, from the ledger and from its dead letter. An event without a stamp and a key may be delivered again
//! with the same id; the result of an earlier delivery is not that of a later one.

use std::collections::HashMap;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{batch, dead_letter, event};
use careq_shared::ids::EventId;
use careq_shared::ledger;
use careq_shared::message::ListedEntry;
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, DerivePartialModel, EntityTrait as _, FromQueryResult,
    QueryFilter as _,
};
use uuid::Uuid;

/// A dead letter without its payload, which is as large as a message.
#[derive(Debug, Clone, DerivePartialModel, FromQueryResult)]
#[sea_orm(entity = "dead_letter::Entity")]
pub(super) struct DeadLetter {
    id: Uuid,
    pub(super) event_id: Option<String>,
    state: DeadLetterState,
    attempts: i32,
    code: String,
    message: String,
    accepted_at: Option<DateTime<Utc>>,
}

impl DeadLetter {
    /// Whether the dead letter is being replayed, or is a correction that was not tried yet.
    pub(super) fn is_in_progress(&self) -> bool {
        self.state == DeadLetterState::Replaying
            || (self.state == DeadLetterState::Open && self.attempts == 0)
    }

    /// The final failure that the dead letter records.
    fn result(&self) -> Result<EventResult, DbErr> {
        let unknown = || DbErr::Custom(format!("dead letter {} holds an unknown code", self.id));
        let code = self.code.parse::<ErrorCode>().map_err(|_| unknown())?;
        let outcome = Outcome::Failed(Failure { code, message: self.message.clone() });
        Ok(EventResult { outcome, appointment_status: None, replayed: false })
    }
}

/// The result of an event; `None` while it is queued. `delivery` is the acceptance time of the delivery in question; without it, the
/// latest stored delivery counts.
pub(super) async fn for_event(
    database: &DatabaseConnection,
    clinic_id: &str,
    event_id: &EventId,
    delivery: Option<DateTime<Utc>>,
) -> Result<Option<EventResult>, DbErr> {
    let row = event::Entity::find_by_id(event_id.as_str())
        .filter(event::Column::ClinicId.eq(clinic_id))
        .one(database)
        .await?;
    let dead_letter = dead_letter::Entity::find()
        .filter(dead_letter::Column::EventId.eq(event_id.as_str()))
        .filter(dead_letter::Column::ClinicId.eq(clinic_id))
        .into_partial_model::<DeadLetter>()
        .one(database)
        .await?;
    result(row.as_ref(), dead_letter.as_ref(), delivery)
}

/// The results of a batch's records by position. Records that are queued or were refused have none.
pub(super) async fn for_batch(
    database: &DatabaseConnection,
    batch: &batch::Model,
    listing: &[ListedEntry],
) -> Result<HashMap<usize, EventResult>, DbErr> {
    let accepted = listing.iter().enumerate().filter_map(|(position, entry)| match entry {
        ListedEntry::Accepted(event) => Some((position, event)),
        ListedEntry::Refused(_) => None,
    });
    let accepted: Vec<_> = accepted.collect();
    let ids: Vec<_> = accepted.iter().map(|(_, event)| event.event_id.as_str()).collect();
    let rows = event::Entity::find().filter(event::Column::EventId.is_in(ids.clone())).all(database).await?;
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.event_id.clone(), row)).collect();
    let dead_letters = dead_letter::Entity::find()
        .filter(dead_letter::Column::ClinicId.eq(batch.clinic_id.as_str()))
        .filter(dead_letter::Column::EventId.is_in(ids))
        .into_partial_model::<DeadLetter>()
        .all(database)
        .await?;
    let dead_letters =
        dead_letters.into_iter().filter_map(|dead_letter| Some((dead_letter.event_id.clone()?, dead_letter)));
    let dead_letters: HashMap<_, _> = dead_letters.collect();
    let mut results = HashMap::with_capacity(accepted.len());
    for (position, event) in accepted {
        let delivery = event.may_come_again.then(|| accepted_at(batch, position));
        let id = event.event_id.as_str();
        if let Some(result) = result(rows.get(id), dead_letters.get(id), delivery)? {
            results.insert(position, result);
        }
    }
    Ok(results)
}

/// The acceptance times of records are one microsecond apart.
fn accepted_at(batch: &batch::Model, position: usize) -> DateTime<Utc> {
    #[expect(clippy::expect_used, reason = "a batch has at most 1,000 records")]
    let position = i64::try_from(position).expect("a position fits into 64 bits");
    batch.accepted_at + TimeDelta::microseconds(position)
}

/// Combines the ledger's row and the dead letter of an event. The later one counts, unless the dead letter is resolved.
fn result(
    row: Option<&event::Model>,
    dead_letter: Option<&DeadLetter>,
    delivery: Option<DateTime<Utc>>,
) -> Result<Option<EventResult>, DbErr> {
    let covers = |accepted_at: DateTime<Utc>| delivery.is_none_or(|delivery| accepted_at >= delivery);
    let row = row.filter(|row| covers(row.accepted_at));
    let dead_letter = dead_letter.filter(|dead_letter| dead_letter.accepted_at.is_none_or(covers));
    let stored = row.map(ledger::read).transpose()?;
    let is_later = |dead_letter: &DeadLetter| match (dead_letter.accepted_at, row) {
        (Some(failed_at), Some(row)) => failed_at > row.accepted_at,
        (_, row) => row.is_none(),
    };
    let has_failed = stored.as_ref().is_some_and(|stored| matches!(stored.outcome, Outcome::Failed(_)));
    match dead_letter {
        // The delivery in question has its result, whatever the result of a later one.
        Some(_) if delivery.is_some() && stored.is_some() && !has_failed => Ok(stored),
        Some(dead_letter) if dead_letter.is_in_progress() && (has_failed || is_later(dead_letter)) => {
            Ok(None)
        }
        Some(dead_letter) if is_later(dead_letter) && dead_letter.state != DeadLetterState::Resolved => {
            dead_letter.result().map(Some)
        }
        _ => Ok(stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn row(outcome: &str, accepted_at: i64) -> event::Model {
        event::Model {
            event_id: "evt".to_owned(),
            clinic_id: "clinic".to_owned(),
            idempotency_key: "key".to_owned(),
            content_digest: "digest".to_owned(),
            kind: "patient".to_owned(),
            careq_id: 1,
            accepted_at: at(accepted_at),
            outcome: outcome.to_owned(),
            appointment_status: None,
            error_code: (outcome == "failed").then(|| "SERVER_ERROR".to_owned()),
            error_message: (outcome == "failed").then(|| "ledger".to_owned()),
            waiting_for: (outcome == "waiting").then(|| "[]".to_owned()),
            settled_at: at(accepted_at),
            repeated_at: None,
        }
    }

    fn dead_letter(state: DeadLetterState, accepted_at: Option<i64>) -> DeadLetter {
        DeadLetter {
            id: Uuid::nil(),
            event_id: Some("evt".to_owned()),
            state,
            attempts: 1,
            code: "DUPLICATE_RECORD".to_owned(),
            message: "dead letter".to_owned(),
            accepted_at: accepted_at.map(at),
        }
    }

    fn word(row: Option<&event::Model>, dead_letter: Option<&DeadLetter>, delivery: Option<i64>) -> String {
        match result(row, dead_letter, delivery.map(at)).unwrap().map(|result| result.outcome) {
            None => "queued".to_owned(),
            Some(Outcome::Failed(failure)) => format!("failed by {}", failure.message),
            Some(outcome) => outcome.as_str().to_owned(),
        }
    }

    #[test]
    fn the_result_of_an_earlier_delivery_is_not_that_of_a_later_one() {
        let created = row("created", 10);
        assert_eq!(word(Some(&created), None, None), "created");
        assert_eq!(word(Some(&created), None, Some(10)), "created");
        assert_eq!(word(Some(&created), None, Some(11)), "queued", "a later delivery is in progress");
        let failed = dead_letter(DeadLetterState::Open, Some(20));
        for (delivery, expected) in [
            // The latest stored delivery counts.
            (None, "failed by dead letter"),
            (Some(20), "failed by dead letter"),
            // An earlier delivery has its own result.
            (Some(10), "created"),
            (Some(21), "queued"),
        ] {
            assert_eq!(word(Some(&created), Some(&failed), delivery), expected, "{delivery:?}");
        }
        assert_eq!(word(Some(&row("created", 30)), Some(&failed), None), "created", "delivered once more");
        assert_eq!(word(Some(&row("waiting", 10)), Some(&failed), None), "failed by dead letter");
    }

    #[test]
    fn an_event_with_a_final_result_is_not_queued() {
        let failed = row("failed", 10);
        for state in [DeadLetterState::Open, DeadLetterState::Discarded, DeadLetterState::Superseded] {
            assert_eq!(word(Some(&failed), Some(&dead_letter(state, Some(10))), None), "failed by ledger");
            assert_eq!(word(None, Some(&dead_letter(state, Some(10))), None), "failed by dead letter");
            assert_eq!(word(None, Some(&dead_letter(state, None)), None), "failed by dead letter");
        }
        let in_progress = dead_letter(DeadLetterState::Replaying, Some(10));
        assert_eq!(word(Some(&failed), Some(&in_progress), None), "queued");
        assert_eq!(word(Some(&row("waiting", 10)), Some(&in_progress), None), "waiting");
        let resolved = dead_letter(DeadLetterState::Resolved, Some(10));
        assert_eq!(word(Some(&row("created", 10)), Some(&resolved), None), "created");
        let untried = |state| DeadLetter { attempts: 0, ..dead_letter(state, Some(10)) };
        assert_eq!(word(None, Some(&untried(DeadLetterState::Open)), None), "queued");
        // Discarded without an attempt.
        assert_eq!(word(None, Some(&untried(DeadLetterState::Discarded)), None), "failed by dead letter");
    }

    #[test]
    fn every_delivery_of_an_event_with_a_stamp_has_the_same_result() {
        let stamped = dead_letter(DeadLetterState::Open, None);
        assert_eq!(word(Some(&row("updated", 10)), Some(&stamped), None), "updated");
        assert_eq!(word(Some(&row("failed", 10)), Some(&stamped), None), "failed by ledger");
    }
}
