//! `dead_letters`: events that need a person, and their state. The payload is patients' data, and is stored sealed.

use sea_orm::entity::prelude::*;

use crate::dead_letters::state::DeadLetterState;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub event_id: Option<String>,
    pub clinic_id: Option<String>,
    pub kind: Option<String>,
    pub careq_id: Option<i64>,
    pub class: String,
    pub code: String,
    pub message: String,
    pub attempts: i32,
    pub first_seen_at: ChronoDateTimeUtc,
    pub last_seen_at: ChronoDateTimeUtc,
    pub worker: String,
    pub version: String,
    pub payload: Vec<u8>,
    pub state: DeadLetterState,
    /// Equal for letters with the same cause.
    pub fingerprint: String,
    pub settled_at: Option<ChronoDateTimeUtc>,
    /// The reason for which it was discarded.
    pub reason: Option<String>,
    /// The letter that this one corrects.
    pub original_id: Option<Uuid>,
    /// The replay job that replays it, or replayed it last.
    pub job_id: Option<Uuid>,
    /// The audit entry that settled it.
    pub audit_id: Option<Uuid>,
    /// The acceptance of the delivery that failed, for an event that may be repeated: the result of an earlier
    /// delivery does not settle this letter. `None` if every delivery of the event is identical.
    pub accepted_at: Option<ChronoDateTimeUtc>,
    /// The kind of the missing parent.
    pub waiting_kind: Option<String>,
    /// CareQ's identifier of the missing parent.
    pub waiting_careq_id: Option<i64>,
}

plain_table!();
