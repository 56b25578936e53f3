//! Discards and reopens dead letters, with a reason. Their rows and payloads stay; only the state changes. The entry of the audit log
//! links each of them in the same transaction.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::audit_letter;
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::{clock, database};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::Selection;
use super::list::{DeadLetter, nothing_open};
use crate::error::Error;
use crate::limits::MAX_REASON_CHARS;

/// The changed dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkChange {
    /// Their number.
    pub letters: u64,
    /// The entry of the audit log that links them.
    pub audit_id: Uuid,
}

/// Discards the open dead letters of a selection. Each refers to the audit entry.
///
/// # Errors
/// The reason is empty or too long, nothing matches, or the database failed.
pub async fn discard(
    database: &DatabaseConnection,
    actor: &Actor,
    selection: &Selection,
    reason: &str,
) -> Result<BulkChange, Error> {
    apply(Change::Discard, database, actor, selection, reason).await
}

/// Reopens the discarded and superseded dead letters of a selection: the way back from a discard by mistake.
///
/// # Errors
/// The reason is empty or too long, nothing matches, or the database failed.
pub async fn reopen(
    database: &DatabaseConnection,
    actor: &Actor,
    selection: &Selection,
    reason: &str,
) -> Result<BulkChange, Error> {
    apply(Change::Reopen, database, actor, selection, reason).await
}

enum Change {
    Discard,
    Reopen,
}

async fn apply(
    change: Change,
    database: &DatabaseConnection,
    actor: &Actor,
    selection: &Selection,
    reason: &str,
) -> Result<BulkChange, Error> {
    let (reason, filter) = (checked_reason(reason)?, selection.filter());
    let (action, from): (_, &[_]) = match change {
        Change::Discard => (Action::Discard, &[DeadLetterState::Open]),
        Change::Reopen => (Action::Reopen, &[DeadLetterState::Discarded, DeadLetterState::Superseded]),
    };
    let transaction = database::begin_write(database).await?;
    let deed = Deed::new(action);
    let audit_id = deed.id;
    let letters = link_letters(&transaction, audit_id, filter.condition(from)).await?;
    if letters == 0 {
        return Err(match (change, filter.only_id()) {
            (Change::Discard, _) => nothing_open(&transaction, filter).await,
            (Change::Reopen, Some(id)) => {
                DeadLetter::by_id(&transaction, id).await.err().unwrap_or(Error::NothingToReopen)
            }
            (Change::Reopen, None) => Error::NothingToReopen,
        });
    }
    let update = Entity::update_many().filter(Column::Id.in_subquery(linked_letters(audit_id)));
    let update = match change {
        Change::Discard => update
            .col_expr(Column::State, Expr::value(DeadLetterState::Discarded))
            .col_expr(Column::Reason, Expr::value(reason))
            .col_expr(Column::SettledAt, Expr::value(clock::now()))
            .col_expr(Column::AuditId, Expr::value(audit_id)),
        Change::Reopen => update
            .col_expr(Column::State, Expr::value(DeadLetterState::Open))
            .col_expr(Column::SettledAt, Expr::value(Option::<DateTime<Utc>>::None)),
    };
    update.exec(&transaction).await?;
    let details = json!({ "reason": reason, "filter": filter });
    let deed = Deed { letter_id: filter.only_id(), letters: Some(letters), details, ..deed };
    audit::note(&transaction, actor, deed).await?;
    // The foreign key is checked for each row at the commit.
    database::set_plan_caching(&transaction, database::Planning::Cached).await?;
    transaction.commit().await?;
    Ok(BulkChange { letters, audit_id })
}

/// Locks the matching dead letters and links each to an audit entry. Returns their number. The order of the locks is that of the ids,
/// everywhere, so that transactions cannot deadlock.
async fn link_letters(
    transaction: &DatabaseTransaction,
    audit_id: Uuid,
    letters: Condition,
) -> Result<u64, DbErr> {
    let letters = Entity::find()
        .select_only()
        .column(Column::Id)
        .expr(Expr::val(audit_id))
        .filter(letters)
        .order_by_asc(Column::Id)
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
fn linked_letters(audit_id: Uuid) -> SelectStatement {
    let mut letters = Query::select();
    letters.column(audit_letter::Column::LetterId).from(audit_letter::Entity);
    letters.and_where(audit_letter::Column::AuditId.eq(audit_id)).to_owned()
}

/// The reason without surrounding white space, if it is neither empty nor too long.
pub(super) fn checked_reason(reason: &str) -> Result<&str, Error> {
    let reason = reason.trim();
    let is_valid = (1..=MAX_REASON_CHARS).contains(&reason.chars().count());
    if is_valid { Ok(reason) } else { Err(Error::InvalidReason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_neither_empty_nor_too_long() {
        assert_eq!(checked_reason(" moved to the other clinic ").unwrap(), "moved to the other clinic");
        assert!(checked_reason(&"é".repeat(MAX_REASON_CHARS)).is_ok());
        assert!(checked_reason(&"é".repeat(MAX_REASON_CHARS + 1)).is_err());
        assert!(checked_reason(" \n").is_err());
    }
}
