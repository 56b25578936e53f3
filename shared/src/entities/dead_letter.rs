//! `dead_letters`: one row for each event, or undecodable message, that could not be stored, with its state. The payload is patients'
//! data, and is stored sealed.

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
    /// The reason, by what a person can do.
    pub class: String,
    /// The specification's error code.
    pub code: String,
    /// The failure, without patient data.
    pub message: String,
    pub attempts: i32,
    /// The acceptance of the event; without it, the parking or the first failure.
    pub first_seen_at: ChronoDateTimeUtc,
    /// The last failure.
    pub last_seen_at: ChronoDateTimeUtc,
    pub worker: String,
    /// The version of careq-sync that failed.
    pub version: String,
    pub payload: Vec<u8>,
    pub state: DeadLetterState,
    /// Equal for letters with the same cause.
    pub fingerprint: String,
    /// When it was resolved, discarded or superseded.
    pub settled_at: Option<ChronoDateTimeUtc>,
    /// The reason of the last discard; it stays after a reopening.
    pub reason: Option<String>,
    /// The letter that this one corrects.
    pub original_id: Option<Uuid>,
    /// The replay job that replays it or has resolved it; `None` after another failure or a cancelled job.
    pub job_id: Option<Uuid>,
    /// The audit entry of the last discard or correction.
    pub audit_id: Option<Uuid>,
    /// The acceptance of the latest delivery that failed, if the event id may stand for several changes
    /// ([`Event::may_come_again`](crate::event::Event::may_come_again)). The result of an earlier delivery does not
    /// resolve this dead letter.
    pub accepted_at: Option<ChronoDateTimeUtc>,
    /// The kind of the missing parent that it waits for.
    pub waiting_kind: Option<String>,
    /// CareQ's identifier of the missing parent.
    pub waiting_careq_id: Option<i64>,
}

plain_table!();
