//! Pages of dead letters, the last to fail first. Payloads are not read.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DerivePartialModel, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::Filter;
use crate::error::Error;
use crate::page::{Cursor, Page, PageRequest};

/// A dead letter without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, DerivePartialModel, ToSchema)]
#[sea_orm(entity = "Entity")]
pub struct DeadLetter {
    /// Derived from the event's id, so that an event has one letter.
    pub id: Uuid,
    /// Its state.
    pub state: DeadLetterState,
    /// The clinic, if the bytes say so.
    pub clinic_id: Option<String>,
    /// The kind of the event, if the bytes say so.
    #[schema(value_type = Option<Kind>)]
    pub kind: Option<String>,
    /// CareQ's number of the record.
    pub careq_id: Option<i64>,
    /// The event's public id.
    pub event_id: Option<String>,
    /// The reason, by the remedy.
    #[schema(value_type = Class)]
    pub class: String,
    /// The specification's code.
    pub code: String,
    /// The error of the last attempt, for a person.
    pub message: String,
    /// Equal for letters with the same cause.
    pub fingerprint: String,
    /// The number of attempts.
    pub attempts: i32,
    /// When the event was accepted.
    pub first_seen_at: DateTime<Utc>,
    /// When it failed last.
    pub last_seen_at: DateTime<Utc>,
    /// The worker of the last attempt.
    pub worker: String,
    /// That worker's version.
    pub version: String,
    /// When it was resolved, discarded or superseded.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why it was discarded.
    pub reason: Option<String>,
    /// The letter that this one corrects.
    pub original_id: Option<Uuid>,
    /// The replay job that replays it, or replayed it last.
    pub job_id: Option<Uuid>,
    /// The entry of the audit log that settled it.
    pub audit_id: Option<Uuid>,
}

impl DeadLetter {
    /// The dead letter with this id.
    pub(crate) async fn by_id(database: &impl ConnectionTrait, id: Uuid) -> Result<Self, Error> {
        let found = Entity::find_by_id(id).into_partial_model::<Self>().one(database).await?;
        found.ok_or_else(|| Error::UnknownLetter(id.to_string()))
    }
}

/// Lists dead letters in one of these states, the last to fail first. Without states, in any.
///
/// # Errors
/// The database failed.
pub async fn list(
    database: &DatabaseConnection,
    filter: &Filter,
    states: &[DeadLetterState],
    page: PageRequest,
) -> Result<Page<DeadLetter>, Error> {
    let select = Entity::find()
        .filter(filter.condition(states))
        .filter(page.condition(Column::LastSeenAt, Column::Id))
        .order_by_desc(Column::LastSeenAt)
        .order_by_desc(Column::Id)
        .limit(page.limit + 1);
    let letters = select.into_partial_model::<DeadLetter>().all(database).await?;
    Ok(Page::from_rows(letters, page.limit, |letter| Cursor::new(letter.last_seen_at, letter.id)))
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

/// Counts the matching dead letters in one of these states. Without states, in any.
///
/// # Errors
/// The database failed.
pub async fn count(
    database: &DatabaseConnection,
    filter: &Filter,
    states: &[DeadLetterState],
) -> Result<u64, Error> {
    Ok(Entity::find().filter(filter.condition(states)).count(database).await?)
}
