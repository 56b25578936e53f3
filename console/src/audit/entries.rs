//! Reads the entries of the audit log.

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
use crate::schema;

/// An entry, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// Where.
    #[schema(schema_with = schema::origin)]
    pub origin: String,
    /// What.
    #[schema(schema_with = schema::action)]
    pub action: String,
    /// On which letter, if on one.
    pub letter_id: Option<Uuid>,
    /// On which job, if on one.
    pub job_id: Option<Uuid>,
    /// On how many letters, if on several.
    pub letters: Option<i32>,
    /// The reason, the filter, and the like.
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
            // Only tampering leaves something else than JSON there. It is shown as it is.
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
    let select = select.order_by_desc(Column::At).order_by_desc(Column::Id).limit(page.rows());
    let rows = select.all(database).await?;
    Ok(page.page_of(rows.into_iter().map(Entry::from).collect(), |entry: &Entry| {
        Cursor::new(entry.at, entry.id)
    }))
}

/// The entries about one dead letter, alone or among others, oldest first.
pub(crate) async fn of_letter(database: &DatabaseConnection, letter_id: Uuid) -> Result<Vec<Entry>, DbErr> {
    let bulk_entries = Query::select()
        .column(audit_letter::Column::AuditId)
        .from(audit_letter::Entity)
        .and_where(audit_letter::Column::LetterId.eq(letter_id))
        .to_owned();
    let any = Condition::any().add(Column::LetterId.eq(letter_id)).add(Column::Id.in_subquery(bulk_entries));
    let rows = Entity::find().filter(any).order_by_asc(Column::At).limit(1_000).all(database).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
