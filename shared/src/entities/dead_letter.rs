//! `dead_letters`: what needs a person, and what has become of it. The payload is patients' data: it is sealed, and must never be
//! printed unasked.

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
    /// Same cause, same fingerprint.
    pub fingerprint: String,
    pub settled_at: Option<ChronoDateTimeUtc>,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// The letter that this one corrects.
    pub original_id: Option<Uuid>,
    /// The replay job that it is, or was, under way in.
    pub job_id: Option<Uuid>,
    /// The entry of the audit log that settled it.
    pub audit_id: Option<Uuid>,
    /// When the delivery that failed was accepted, of an event that may be said again: what became of an earlier delivery does not
    /// settle this letter. Nothing where every delivery of the event says the same.
    pub accepted_at: Option<ChronoDateTimeUtc>,
    /// The kind of the parent that never came.
    pub waiting_kind: Option<String>,
    /// CareQ's identifier of the parent that never came.
    pub waiting_careq_id: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
