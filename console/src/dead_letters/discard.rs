//! Discards dead letters, with a reason. Their rows and payloads stay; only the state changes.

use careq_shared::audit::{Action, Actor};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::Column;
use careq_shared::{clock, database};
use sea_orm::DatabaseConnection;
use sea_orm::sea_query::Expr;

use super::list::nothing_open;
use super::reason;
use super::selection::Selection;
use super::state_change::{BulkChange, StateChange};
use crate::error::Error;

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
    let (reason, filter) = (reason::checked(reason)?, selection.filter());
    let transaction = database::begin_write(database).await?;
    let change = StateChange { action: Action::Discard, from: &[DeadLetterState::Open], reason };
    let changed = change
        .apply(&transaction, actor, filter, |letters, audit_id| {
            letters
                .col_expr(Column::State, Expr::value(DeadLetterState::Discarded))
                .col_expr(Column::Reason, Expr::value(reason))
                .col_expr(Column::SettledAt, Expr::value(clock::now()))
                .col_expr(Column::AuditId, Expr::value(audit_id))
        })
        .await?;
    let Some(changed) = changed else { return Err(nothing_open(&transaction, filter).await) };
    transaction.commit().await?;
    Ok(changed)
}
