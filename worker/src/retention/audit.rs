//! Retention of the audit log and of its links to dead letters. By default entries are kept.

use careq_shared::entities::audit_entry::{Column, Entity};
use careq_shared::entities::{audit_head, audit_letter};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use uuid::Uuid;

use super::step::{Looked, MAX_ROWS, Next, Page, Rule, any_pair};

/// See the module documentation.
pub(super) struct Entries;

impl Rule for Entries {
    const TABLE: &'static str = "audit_log";
    const WITH: Option<&'static str> = Some("audit_letters");

    async fn step(transaction: &DatabaseTransaction, page: &Page) -> Result<Looked, DbErr> {
        let (ids, next) = page.ids::<_, Uuid>(transaction, Entity::find(), Column::At, Column::Id).await?;
        if ids.is_empty() {
            return Ok(Looked { forgotten: 0, with: 0, next });
        }
        let letters = letters(transaction, &ids).await?;
        if letters >= MAX_ROWS {
            return Ok(Looked { forgotten: 0, with: letters, next: Next::Same });
        }
        let deleted = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(transaction).await?;
        begin_chain(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with: letters, next })
    }
}

/// Sets the start of the chain to the oldest kept entry, or to the next one.
async fn begin_chain(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let oldest = Entity::find().select_only().expr(Column::Sequence.min());
    let oldest: Option<Option<i64>> = oldest.into_tuple().one(transaction).await?;
    let after_all = Expr::col(audit_head::Column::Sequence).add(1);
    let first = oldest.flatten().map_or_else(|| after_all, Expr::value);
    let head = audit_head::Entity::update_many().col_expr(audit_head::Column::First, first);
    head.exec(transaction).await.map(drop)
}

/// Deletes links of these entries, at most [`MAX_ROWS`]; returns how many.
async fn letters(transaction: &DatabaseTransaction, entries: &[Uuid]) -> Result<u64, DbErr> {
    use audit_letter::Column::{AuditId, LetterId};
    let select = audit_letter::Entity::find().select_only().columns([AuditId, LetterId]);
    let of_entries = select.filter(AuditId.is_in(entries.iter().copied())).limit(MAX_ROWS);
    let spoken_of: Vec<(Uuid, Uuid)> = of_entries.into_tuple().all(transaction).await?;
    let Some(any) = any_pair(AuditId, LetterId, spoken_of) else { return Ok(0) };
    let deleted = audit_letter::Entity::delete_many().filter(any).exec(transaction).await?;
    Ok(deleted.rows_affected)
}
