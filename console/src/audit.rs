//! The audit log: who did what when, on which letters, job, clinic or admin. An entry must be committed together with what it speaks of,
//! or before it; it is never changed, and never holds a patient's data.

mod verify;

pub use verify::{Verified, verify};

use careq_shared::entities::audit_entry::{Column, Entity, Model};
use careq_shared::entities::{audit_letter, dead_letter};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema;
use crate::{Cursor, Error, Listed, Page};

pub use careq_shared::audit::{Action, Actor, Origin};
pub(crate) use careq_shared::audit::{Deed, note};

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
            details: serde_json::from_str(&row.details).unwrap_or_default(),
        }
    }
}

/// The entries, the newest first.
///
/// # Errors
/// The database's own.
pub async fn list(database: &DatabaseConnection, page: Page) -> Result<Listed<Entry>, Error> {
    let select = Entity::find().filter(page.condition(Column::At, Column::Id));
    let select = select.order_by_desc(Column::At).order_by_desc(Column::Id).limit(page.rows());
    let rows = select.all(database).await?;
    Ok(page
        .listed(rows.into_iter().map(Entry::from).collect(), |entry: &Entry| Cursor::new(entry.at, entry.id)))
}

/// Locks the letters that match, in the order of their ids as everyone does, and writes down that an entry speaks of each; how many.
pub(crate) async fn note_letters(
    transaction: &DatabaseTransaction,
    audit_id: Uuid,
    letters: Condition,
) -> Result<u64, DbErr> {
    let letters = dead_letter::Entity::find()
        .select_only()
        .column(dead_letter::Column::Id)
        .expr(Expr::val(audit_id))
        .filter(letters)
        .order_by_asc(dead_letter::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_query();
    let columns = [audit_letter::Column::LetterId, audit_letter::Column::AuditId];
    let mut insert = Query::insert();
    insert.into_table(audit_letter::Entity).columns(columns);
    insert.select_from(letters).map_err(|fault| DbErr::Custom(fault.to_string()))?;
    let statement = transaction.get_database_backend().build(&insert);
    Ok(transaction.execute(statement).await?.rows_affected())
}

/// The letters that an entry speaks of.
pub(crate) fn letters_of(audit_id: Uuid) -> SelectStatement {
    let mut letters = Query::select();
    letters.column(audit_letter::Column::LetterId).from(audit_letter::Entity);
    letters.and_where(audit_letter::Column::AuditId.eq(audit_id)).to_owned()
}

/// What was done with one letter, the oldest first: by itself, or among others.
pub(crate) async fn of_letter(database: &DatabaseConnection, letter_id: Uuid) -> Result<Vec<Entry>, DbErr> {
    let among_others = Query::select()
        .column(audit_letter::Column::AuditId)
        .from(audit_letter::Entity)
        .and_where(audit_letter::Column::LetterId.eq(letter_id))
        .to_owned();
    let any = Condition::any().add(Column::LetterId.eq(letter_id)).add(Column::Id.in_subquery(among_others));
    let rows = Entity::find().filter(any).order_by_asc(Column::At).limit(1_000).all(database).await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
