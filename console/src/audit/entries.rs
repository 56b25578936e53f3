//! Reads the entries of the audit log.

use careq_shared::audit::{Action, Origin};
use careq_shared::entities::audit_entry::{Column, Entity, Model};
use careq_shared::entities::audit_letter;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Error;
use crate::page::{Cursor, Page, PageRequest};

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// The time.
    pub at: DateTime<Utc>,
    /// The actor.
    pub actor: String,
    /// The interface.
    #[schema(value_type = Origin)]
    pub origin: String,
    /// The action.
    #[schema(value_type = Action)]
    pub action: String,
    /// The dead letter, if the action is on one.
    pub letter_id: Option<Uuid>,
    /// The replay job, if the action is on one.
    pub job_id: Option<Uuid>,
    /// The number of letters, if the action is on several.
    pub letters: Option<i32>,
    /// The reason, the filter, and other details.
    pub details: Value,
}

impl From<Model> for Entry {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            origin: row.origin,
            action: row.action,
            letter_id: row.letter_id,
            job_id: row.job_id,
            letters: row.letters,
            // Only tampering leaves anything but JSON here. It is shown as text.
            details: serde_json::from_str(&row.details).unwrap_or(Value::String(row.details)),
        }
    }
}

/// Lists the entries, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(database: &DatabaseConnection, page: PageRequest) -> Result<Page<Entry>, Error> {
    let select = Entity::find().filter(page.condition(Column::At, Column::Id));
    let select = select.order_by_desc(Column::At).order_by_desc(Column::Id).limit(page.limit + 1);
    let entries = select.all(database).await?.into_iter().map(Entry::from).collect();
    Ok(Page::from_rows(entries, page.limit, |entry: &Entry| Cursor::new(entry.at, entry.id)))
}

/// The entries about one dead letter, alone or among others, oldest first.
pub(crate) async fn about_letter(
    database: &DatabaseConnection,
    letter_id: Uuid,
) -> Result<Vec<Entry>, DbErr> {
    let bulk_entries = Query::select()
        .column(audit_letter::Column::AuditId)
        .from(audit_letter::Entity)
        .and_where(audit_letter::Column::LetterId.eq(letter_id))
        .to_owned();
    let any = Condition::any().add(Column::LetterId.eq(letter_id)).add(Column::Id.in_subquery(bulk_entries));
    let rows = Entity::find().filter(any).order_by_asc(Column::At).limit(1_000).all(database).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
