//! What became of an event, by the ledger and by its dead letter. An event without a stamp and a key may be said again: what became of
//! an earlier delivery must never be told of a later one.

use std::collections::HashMap;

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{batch, dead_letter, event};
use careq_shared::ids::EventId;
use careq_shared::ledger;
use careq_shared::message::{ListedEntry, ListedEvent};
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, DerivePartialModel, EntityTrait as _, FromQueryResult,
    QueryFilter as _,
};
use uuid::Uuid;

/// What a page needs of a dead letter: all but its payload, which is as large as a message.
#[derive(Debug, Clone, DerivePartialModel, FromQueryResult)]
#[sea_orm(entity = "dead_letter::Entity")]
pub(crate) struct Letter {
    id: Uuid,
    pub(crate) event_id: Option<String>,
    state: DeadLetterState,
    attempts: i32,
    code: String,
    message: String,
    accepted_at: Option<DateTime<Utc>>,
}

/// The result of an event, or nothing while it is queued. `delivery` is the acceptance of the delivery in question, the latest known one
/// where it is missing.
pub(crate) async fn of_event(
    database: &DatabaseConnection,
    clinic_id: &str,
    event_id: &EventId,
    delivery: Option<DateTime<Utc>>,
) -> Result<Option<EventResult>, DbErr> {
    let row = event::Entity::find_by_id(event_id.as_str())
        .filter(event::Column::ClinicId.eq(clinic_id))
        .one(database)
        .await?;
    let letter = dead_letter::Entity::find()
        .filter(dead_letter::Column::EventId.eq(event_id.as_str()))
        .filter(dead_letter::Column::ClinicId.eq(clinic_id))
        .into_partial_model::<Letter>()
        .one(database)
        .await?;
    result(row.as_ref(), letter.as_ref(), delivery)
}

/// The results of a batch's records by their positions; nothing of those that are queued or were refused at the door.
pub(crate) async fn of_batch(
    database: &DatabaseConnection,
    batch: &batch::Model,
    listing: &[ListedEntry],
) -> Result<HashMap<usize, EventResult>, DbErr> {
    let accepted: Vec<_> = listing.iter().enumerate().filter_map(accepted).collect();
    let ids: Vec<_> = accepted.iter().map(|(_, event)| event.event_id.as_str()).collect();
    let rows = event::Entity::find().filter(event::Column::EventId.is_in(ids.clone())).all(database).await?;
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.event_id.clone(), row)).collect();
    let letters = dead_letter::Entity::find()
        .filter(dead_letter::Column::ClinicId.eq(batch.clinic_id.as_str()))
        .filter(dead_letter::Column::EventId.is_in(ids))
        .into_partial_model::<Letter>()
        .all(database)
        .await?;
    let letters = letters.into_iter().filter_map(|letter| Some((letter.event_id.clone()?, letter)));
    let letters: HashMap<_, _> = letters.collect();
    let mut results = HashMap::with_capacity(accepted.len());
    for (position, event) in accepted {
        // A record is accepted one microsecond after the one before it.
        let at =
            i64::try_from(position).map(|position| batch.accepted_at + TimeDelta::microseconds(position));
        let delivery = if event.may_come_again { at.ok() } else { None };
        let id = event.event_id.as_str();
        if let Some(known) = result(rows.get(id), letters.get(id), delivery)? {
            results.insert(position, known);
        }
    }
    Ok(results)
}

fn accepted((position, entry): (usize, &ListedEntry)) -> Option<(usize, &ListedEvent)> {
    match entry {
        ListedEntry::Accepted(event) => Some((position, event)),
        ListedEntry::Refused(_) => None,
    }
}

fn result(
    row: Option<&event::Model>,
    letter: Option<&Letter>,
    delivery: Option<DateTime<Utc>>,
) -> Result<Option<EventResult>, DbErr> {
    let covers = |accepted_at: DateTime<Utc>| delivery.is_none_or(|delivery| accepted_at >= delivery);
    let row = row.filter(|row| covers(row.accepted_at));
    let letter = letter.filter(|letter| letter.accepted_at.is_none_or(covers));
    let known = row.map(ledger::read).transpose()?;
    let is_later = |letter: &Letter| match (letter.accepted_at, row) {
        (Some(of_letter), Some(row)) => of_letter > row.accepted_at,
        (_, row) => row.is_none(),
    };
    let has_failed = known.as_ref().is_some_and(|known| matches!(known.outcome, Outcome::Failed(_)));
    match letter {
        // The delivery in question has its outcome, whatever became of a later one.
        Some(_) if delivery.is_some() && known.is_some() && !has_failed => Ok(known),
        Some(letter) if is_under_way(letter) && (has_failed || is_later(letter)) => Ok(None),
        Some(letter) if is_later(letter) && letter.state != DeadLetterState::Resolved => {
            buried(letter).map(Some)
        }
        _ => Ok(known),
    }
}

/// A letter that is replayed, or a correction that was not tried yet.
pub(crate) fn is_under_way(letter: &Letter) -> bool {
    letter.state == DeadLetterState::Replaying
        || (letter.state == DeadLetterState::Open && letter.attempts == 0)
}

fn buried(letter: &Letter) -> Result<EventResult, DbErr> {
    let unknown = || DbErr::Custom(format!("dead letter {} holds an unknown code", letter.id));
    let code = ErrorCode::from_word(&letter.code).ok_or_else(unknown)?;
    let outcome = Outcome::Failed(Failure { code, message: letter.message.clone() });
    Ok(EventResult { outcome, appointment_status: None, replayed: false })
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

    fn letter(state: DeadLetterState, accepted_at: Option<i64>) -> Letter {
        Letter {
            id: Uuid::nil(),
            event_id: Some("evt".to_owned()),
            state,
            attempts: 1,
            code: "DUPLICATE_RECORD".to_owned(),
            message: "letter".to_owned(),
            accepted_at: accepted_at.map(at),
        }
    }

    fn word(row: Option<&event::Model>, letter: Option<&Letter>, delivery: Option<i64>) -> String {
        match result(row, letter, delivery.map(at)).unwrap().map(|known| known.outcome) {
            None => "queued".to_owned(),
            Some(Outcome::Failed(failure)) => format!("failed by {}", failure.message),
            Some(outcome) => outcome.as_str().to_owned(),
        }
    }

    #[test]
    fn what_became_of_an_earlier_delivery_is_not_told_of_a_later_one() {
        let created = row("created", 10);
        assert_eq!(word(Some(&created), None, None), "created");
        assert_eq!(word(Some(&created), None, Some(10)), "created");
        assert_eq!(word(Some(&created), None, Some(11)), "queued", "a later one is under way");
        let refused = letter(DeadLetterState::Open, Some(20));
        assert_eq!(
            word(Some(&created), Some(&refused), None),
            "failed by letter",
            "the latest that is known"
        );
        assert_eq!(word(Some(&created), Some(&refused), Some(20)), "failed by letter");
        assert_eq!(word(Some(&created), Some(&refused), Some(10)), "created", "and not of an earlier one");
        assert_eq!(word(Some(&created), Some(&refused), Some(21)), "queued");
        assert_eq!(word(Some(&row("created", 30)), Some(&refused), None), "created", "said once more");
        assert_eq!(word(Some(&row("waiting", 10)), Some(&refused), None), "failed by letter");
    }

    #[test]
    fn queued_is_never_said_of_what_was_settled() {
        let failed = row("failed", 10);
        for state in [DeadLetterState::Open, DeadLetterState::Discarded, DeadLetterState::Superseded] {
            assert_eq!(word(Some(&failed), Some(&letter(state, Some(10))), None), "failed by ledger");
            assert_eq!(word(None, Some(&letter(state, Some(10))), None), "failed by letter");
            assert_eq!(word(None, Some(&letter(state, None)), None), "failed by letter");
        }
        let under_way = letter(DeadLetterState::Replaying, Some(10));
        assert_eq!(word(Some(&failed), Some(&under_way), None), "queued");
        assert_eq!(word(Some(&row("waiting", 10)), Some(&under_way), None), "waiting");
        assert_eq!(
            word(Some(&row("created", 10)), Some(&letter(DeadLetterState::Resolved, Some(10))), None),
            "created"
        );
        let untried = |state| Letter { attempts: 0, ..letter(state, Some(10)) };
        assert_eq!(word(None, Some(&untried(DeadLetterState::Open)), None), "queued");
        assert_eq!(
            word(None, Some(&untried(DeadLetterState::Discarded)), None),
            "failed by letter",
            "given up"
        );
    }

    #[test]
    fn every_delivery_of_an_event_with_a_stamp_says_the_same() {
        let stamped = letter(DeadLetterState::Open, None);
        assert_eq!(word(Some(&row("updated", 10)), Some(&stamped), None), "updated");
        assert_eq!(word(Some(&row("failed", 10)), Some(&stamped), None), "failed by ledger");
    }
}
