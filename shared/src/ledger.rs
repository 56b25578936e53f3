//! How a result is written in a row of `events`, and read from it. The two directions must never be kept apart: a status
//! page would tell something else than the answer did.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _};

use crate::entities::event;
use crate::outcome::{ErrorCode, EventResult, Failure, Outcome, Parent};

/// Writes what became of an event into its row.
pub fn write(result: &EventResult, row: &mut event::Model) {
    result.outcome.as_str().clone_into(&mut row.outcome);
    row.appointment_status.clone_from(&result.appointment_status);
    let failure = match &result.outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    };
    row.error_code = failure.map(|failure| failure.code.as_str().to_owned());
    row.error_message = failure.map(|failure| failure.message.clone());
    row.waiting_for = match &result.outcome {
        Outcome::Waiting(missing) => Some(parents(missing)),
        _ => None,
    };
}

/// Missing parents as the column `waiting_for` keeps them.
///
/// # Panics
/// Never for the values of this type: they have no maps and no numbers that JSON lacks.
#[must_use]
#[expect(clippy::expect_used, reason = "a row that does not say what it waits for could not be read again")]
pub fn parents(missing: &[Parent]) -> String {
    serde_json::to_string(missing).expect("parents can be written as JSON")
}

/// What became of an event, by its row.
///
/// # Errors
/// The row lacks something, or holds a word that this version does not know.
pub fn read(row: &event::Model) -> Result<EventResult, DbErr> {
    let outcome = match row.outcome.as_str() {
        "created" => Outcome::Created,
        "updated" => Outcome::Updated,
        "unchanged" => Outcome::Unchanged,
        "retrying" => Outcome::Retrying,
        "waiting" => {
            let missing = row.waiting_for.as_deref().and_then(|parents| serde_json::from_str(parents).ok());
            Outcome::Waiting(missing.ok_or_else(|| damaged(row))?)
        }
        "failed" => {
            let code = row.error_code.as_deref().and_then(ErrorCode::from_word);
            let failure =
                code.zip(row.error_message.clone()).map(|(code, message)| Failure { code, message });
            Outcome::Failed(failure.ok_or_else(|| damaged(row))?)
        }
        _ => return Err(damaged(row)),
    };
    Ok(EventResult { outcome, appointment_status: row.appointment_status.clone(), replayed: false })
}

/// The newest acceptance of an event that a worker has seen.
///
/// # Errors
/// The database's own.
pub async fn newest_acceptance(database: &DatabaseConnection) -> Result<Option<DateTime<Utc>>, DbErr> {
    let newest = event::Entity::find().select_only().column_as(event::Column::AcceptedAt.max(), "newest");
    Ok(newest.into_tuple::<Option<DateTime<Utc>>>().one(database).await?.flatten())
}

fn damaged(row: &event::Model) -> DbErr {
    DbErr::Custom(format!("the ledger row of event {} holds an outcome that cannot be read", row.event_id))
}
