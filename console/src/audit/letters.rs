//! Links between an audit entry and the dead letters that it is about, for changes of several at once.

use careq_shared::entities::{audit_letter, dead_letter};
use sea_orm::sea_query::{Expr, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

/// Locks the matching dead letters and links each to an audit entry. Returns their number. The order of the locks is that of the ids,
/// everywhere, so that transactions cannot deadlock.
pub(crate) async fn link_letters(
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

/// The dead letters that an audit entry is linked to.
pub(crate) fn linked_letters(audit_id: Uuid) -> SelectStatement {
    let mut letters = Query::select();
    letters.column(audit_letter::Column::LetterId).from(audit_letter::Entity);
    letters.and_where(audit_letter::Column::AuditId.eq(audit_id)).to_owned()
}
