//! The mapping between a result and its row in `events`, in both directions.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _};

use crate::entities::event;
use crate::outcome::{ErrorCode, EventResult, Failure, Outcome, Parent};

/// Writes a result into the row of its event.
pub fn write(result: &EventResult, row: &mut event::Model) {
    result.outcome.as_str().clone_into(&mut row.outcome);
    row.appointment_status.clone_from(&result.appointment_status);
    (row.error_code, row.error_message, row.waiting_for) = match &result.outcome {
        Outcome::Failed(Failure { code, message }) => (Some(code.to_string()), Some(message.clone()), None),
        Outcome::Waiting(missing) => (None, None, Some(parents(missing))),
        _ => (None, None, None),
    };
}

/// Missing parents, as the column `waiting_for` stores them.
#[expect(clippy::expect_used, reason = "a row that does not say what it waits for could not be read again")]
pub fn parents(missing: &[Parent]) -> String {
    serde_json::to_string(missing).expect("parents can be written as JSON")
}

/// Reads the result of an event from its row.
///
/// # Errors
/// The row is incomplete, or holds a word that this version does not know.
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
            let code = row.error_code.as_deref().and_then(|code| code.parse::<ErrorCode>().ok());
            let failure =
                code.zip(row.error_message.clone()).map(|(code, message)| Failure { code, message });
            Outcome::Failed(failure.ok_or_else(|| damaged(row))?)
        }
        _ => return Err(damaged(row)),
    };
    Ok(EventResult { outcome, appointment_status: row.appointment_status.clone(), replayed: false })
}

/// The latest acceptance among the events in the ledger.
///
/// # Errors
/// The database's own error.
pub async fn newest_acceptance(database: &DatabaseConnection) -> Result<Option<DateTime<Utc>>, DbErr> {
    let newest = event::Entity::find().select_only().column_as(event::Column::AcceptedAt.max(), "newest");
    Ok(newest.into_tuple::<Option<DateTime<Utc>>>().one(database).await?.flatten())
}

fn damaged(row: &event::Model) -> DbErr {
    DbErr::Custom(format!("the ledger row of event {} holds an outcome that cannot be read", row.event_id))
}
