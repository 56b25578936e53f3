//! The audit log: who did what when, on which letters or job. An entry must be committed together with what it speaks of, or
//! before it; it is never changed, and never holds a patient's data.

use careq_shared::entities::audit_entry::{Column, Entity, Model};
use careq_shared::entities::{audit_letter, dead_letter};
use careq_shared::{clock, words};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema;
use crate::{Cursor, Error, Listed, Page};

words! {
    /// Where somebody acted.
    Origin {
        /// `careq-sync dead-letters …`
        CommandLine = "command_line",
        /// The admin API.
        Api = "api",
    }
}

words! {
    /// What was done.
    Action {
        /// A payload was shown.
        Reveal = "reveal",
        /// Letters were discarded.
        Discard = "discard",
        /// Letters that were discarded or superseded were opened again.
        Reopen = "reopen",
        /// A letter was corrected.
        Correct = "correct",
        /// A replay job was made.
        Replay = "replay",
        /// A replay job was paused.
        Pause = "pause",
        /// A replay job was resumed.
        Resume = "resume",
        /// A replay job was cancelled.
        Cancel = "cancel",
        /// An admin was made.
        AddAdmin = "add_admin",
        /// An admin got a new token.
        RotateAdmin = "rotate_admin",
        /// An admin was disabled.
        DisableAdmin = "disable_admin",
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A user of the machine, or the name of a token.
    pub name: String,
    /// Where.
    pub origin: Origin,
}

/// What somebody did.
#[derive(Debug)]
pub(crate) struct Deed {
    /// Of the entry.
    pub(crate) id: Uuid,
    pub(crate) action: Action,
    pub(crate) letter_id: Option<Uuid>,
    pub(crate) job_id: Option<Uuid>,
    pub(crate) letters: Option<u64>,
    pub(crate) details: Value,
}

impl Deed {
    pub(crate) fn new(action: Action) -> Self {
        let id = Uuid::new_v4();
        Self { id, action, letter_id: None, job_id: None, letters: None, details: Value::Null }
    }
}

/// Writes an entry.
pub(crate) async fn note(database: &impl ConnectionTrait, actor: &Actor, deed: Deed) -> Result<(), DbErr> {
    let entry = Model {
        id: deed.id,
        at: clock::now(),
        actor: actor.name.clone(),
        origin: actor.origin.as_str().to_owned(),
        action: deed.action.as_str().to_owned(),
        letter_id: deed.letter_id,
        job_id: deed.job_id,
        letters: deed.letters.map(|letters| i32::try_from(letters).unwrap_or(i32::MAX)),
        details: deed.details.to_string(),
    };
    Entity::insert(entry.into_active_model()).exec_without_returning(database).await.map(drop)
}

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
