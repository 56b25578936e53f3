//! A page of letters, the last to fail first. A payload is never among what is read.

use std::fmt;
use std::str::FromStr;

use careq_shared::dead_letters::LetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseConnection, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use uuid::Uuid;

use super::Filter;
use crate::Error;

/// A letter without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct Letter {
    /// Follows from the event's id, so that an event has one letter.
    pub id: Uuid,
    /// Where it stands.
    pub state: LetterState,
    /// CareQ's clinic, if the bytes say so.
    pub clinic_id: Option<String>,
    /// Which of the six kinds.
    pub kind: Option<String>,
    /// CareQ's number of the record.
    pub careq_id: Option<i64>,
    /// The event's public id.
    pub event_id: Option<String>,
    /// See [`careq_shared::dead_letters::Class`].
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

impl Letter {
    pub(crate) const COLUMNS: [Column; 20] = [
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

    /// The letter with this id.
    pub(crate) async fn by_id(database: &impl ConnectionTrait, id: Uuid) -> Result<Self, Error> {
        let select = Entity::find_by_id(id).select_only().columns(Self::COLUMNS);
        let found = select.into_model::<Self>().one(database).await?;
        found.ok_or_else(|| Error::UnknownLetter(id.to_string()))
    }
}

/// Where a page ends. As text, for a link to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    last_seen_at: DateTime<Utc>,
    id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}.{}", self.last_seen_at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.').and_then(|(at, id)| {
            let at = DateTime::from_timestamp_micros(i64::from_str_radix(at, 16).ok()?)?;
            Some(Self { last_seen_at: at, id: Uuid::parse_str(id).ok()? })
        });
        parts.ok_or("it must be the `next` of an earlier page")
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// What follows this; nothing: from the beginning.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: u64,
}

/// A page of letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The last to fail first.
    pub letters: Vec<Letter>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// Lists letters.
///
/// # Errors
/// The database's own.
pub async fn list(database: &DatabaseConnection, filter: &Filter, page: Page) -> Result<Listed, Error> {
    let follows = page.after.map(|cursor| {
        let (at, id) = (cursor.last_seen_at, cursor.id);
        Condition::any().add(Column::LastSeenAt.lt(at)).add(Column::LastSeenAt.eq(at).and(Column::Id.lt(id)))
    });
    let select = Entity::find()
        .select_only()
        .columns(Letter::COLUMNS)
        .filter(filter.condition())
        .filter(follows.unwrap_or_else(Condition::all))
        .order_by_desc(Column::LastSeenAt)
        .order_by_desc(Column::Id)
        // One more says whether there is another page.
        .limit(page.limit.saturating_add(1));
    let mut letters = select.into_model::<Letter>().all(database).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = letters.len() > limit;
    letters.truncate(limit);
    let last = letters.last().filter(|_| has_more);
    let next = last.map(|letter| Cursor { last_seen_at: letter.last_seen_at, id: letter.id });
    Ok(Listed { letters, next })
}

/// Why a filter has found nothing that is open.
pub(crate) async fn nothing_open(database: &impl ConnectionTrait, filter: &Filter) -> Error {
    let Some(id) = filter.only() else { return Error::NothingMatches };
    match Letter::by_id(database, id).await {
        Ok(letter) if letter.state != LetterState::Open => Error::NotOpen(id, letter.state),
        Ok(_) => Error::NothingMatches,
        Err(fault) => fault,
    }
}

/// How many letters match.
///
/// # Errors
/// The database's own.
pub async fn count(database: &DatabaseConnection, filter: &Filter) -> Result<u64, Error> {
    Ok(Entity::find().filter(filter.condition()).count(database).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_its_text() {
        let at = DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap();
        let cursor = Cursor { last_seen_at: at, id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "12", "12.x", "x.00000000000000000000000000000007"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
