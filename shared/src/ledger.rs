//! How a result is written in a row of `events`, and read from it. The two directions must never be kept apart: a status
//! page would tell something else than the answer did.

use sea_orm::DbErr;

use crate::entities::event;
use crate::outcome::{ErrorCode, EventResult, Failure, Outcome};

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
        Outcome::Waiting(missing) => serde_json::to_string(missing).ok(),
        _ => None,
    };
}

/// What became of an event, by its row.
///
/// # Errors
/// The row holds a word that this version does not know.
pub fn read(row: &event::Model) -> Result<EventResult, DbErr> {
    let outcome = match row.outcome.as_str() {
        "created" => Outcome::Created,
        "updated" => Outcome::Updated,
        "unchanged" => Outcome::Unchanged,
        "retrying" => Outcome::Retrying,
        "waiting" => {
            let missing = serde_json::from_str(row.waiting_for.as_deref().unwrap_or("[]"));
            Outcome::Waiting(missing.map_err(|_| damaged(row))?)
        }
        "failed" => Outcome::Failed(Failure {
            code: ErrorCode::from_word(row.error_code.as_deref().unwrap_or_default()),
            message: row.error_message.clone().unwrap_or_default(),
        }),
        _ => return Err(damaged(row)),
    };
    Ok(EventResult { outcome, appointment_status: row.appointment_status.clone(), replayed: false })
}

fn damaged(row: &event::Model) -> DbErr {
    DbErr::Custom(format!("the ledger row of event {} holds an unknown outcome", row.event_id))
}
