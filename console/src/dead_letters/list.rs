//! Pages of dead letters, the last to fail first. Payloads are not read.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, EntityTrait as _, FromQueryResult, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::Filter;
use crate::error::Error;
use crate::page::{Cursor, Page, PageRequest};
use crate::schema;

/// A letter without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, ToSchema)]
#[schema(as = Letter)]
pub struct DeadLetter {
    /// Follows from the event's id, so that an event has one letter.
    pub id: Uuid,
    /// Where it stands.
    #[schema(schema_with = schema::dead_letter_state)]
    pub state: DeadLetterState,
    /// CareQ's clinic, if the bytes say so.
    pub clinic_id: Option<String>,
    /// Which of the six kinds.
    #[schema(schema_with = schema::kind_or_null)]
    pub kind: Option<String>,
    /// CareQ's number of the record.
    pub careq_id: Option<i64>,
    /// The event's public id.
    pub event_id: Option<String>,
    /// See [`careq_shared::dead_letters::Class`].
    #[schema(schema_with = schema::class)]
    pub class: String,
    /// The specification's code.
    pub code: String,
    /// What went wrong the last time, for a person.
    pub message: String,
    /// Same cause, same fingerprint.
    pub fingerprint: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When the event was accepted.
    pub first_seen_at: DateTime<Utc>,
    /// When it failed last.
    pub last_seen_at: DateTime<Utc>,
    /// The worker that saw it fail last.
    pub worker: String,
    /// That worker's version.
    pub version: String,
    /// When it was resolved, discarded or superseded.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// The letter that this one corrects.
    pub original_id: Option<Uuid>,
    /// The replay job that it is, or was, under way in.
    pub job_id: Option<Uuid>,
    /// The entry of the audit log that settled it.
    pub audit_id: Option<Uuid>,
}

impl DeadLetter {
    /// Every column but the payload and the worker's own ones.
    const COLUMNS: [Column; 20] = [
        Column::Id,
        Column::State,
        Column::ClinicId,
        Column::Kind,
        Column::CareqId,
        Column::EventId,
        Column::Class,
        Column::Code,
        Column::Message,
        Column::Fingerprint,
        Column::Attempts,
        Column::FirstSeenAt,
        Column::LastSeenAt,
        Column::Worker,
        Column::Version,
        Column::SettledAt,
        Column::Reason,
        Column::OriginalId,
        Column::JobId,
        Column::AuditId,
    ];

    /// The dead letter with this id.
    pub(crate) async fn by_id(database: &impl ConnectionTrait, id: Uuid) -> Result<Self, Error> {
        let select = Entity::find_by_id(id).select_only().columns(Self::COLUMNS);
        let found = select.into_model::<Self>().one(database).await?;
        found.ok_or_else(|| Error::UnknownLetter(id.to_string()))
    }
}

/// Lists dead letters, the last to fail first.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &DatabaseConnection,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page<DeadLetter>, Error> {
    let select = Entity::find()
        .select_only()
        .columns(DeadLetter::COLUMNS)
        .filter(filter.condition())
        .filter(page.condition(Column::LastSeenAt, Column::Id))
        .order_by_desc(Column::LastSeenAt)
        .order_by_desc(Column::Id)
        .limit(page.rows());
    let letters = select.into_model::<DeadLetter>().all(database).await?;
    Ok(page.page_of(letters, |letter| Cursor::new(letter.last_seen_at, letter.id)))
}

/// The error for a filter that matches no open dead letter.
pub(crate) async fn nothing_open(database: &impl ConnectionTrait, filter: &Filter) -> Error {
    let Some(id) = filter.only_id() else { return Error::NothingMatches };
    match DeadLetter::by_id(database, id).await {
        Ok(letter) if letter.state != DeadLetterState::Open => Error::NotOpen(id, letter.state),
        Ok(_) => Error::NothingMatches,
        Err(fault) => fault,
    }
}

/// Counts the matching dead letters.
///
/// # Errors
/// The database failed.
pub async fn count(database: &DatabaseConnection, filter: &Filter) -> Result<u64, Error> {
    Ok(Entity::find().filter(filter.condition()).count(database).await?)
}
