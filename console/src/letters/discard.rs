//! Giving letters up, with a reason. They stay, as does what they hold; only their state changes.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::Column;
use careq_shared::{clock, database};
use sea_orm::DatabaseConnection;
use sea_orm::sea_query::Expr;

use super::list::nothing_open;
use super::turn::{Turn, Turned};
use super::{Chosen, reason};
use crate::Error;
use crate::audit::{Action, Actor};

/// Discards the open letters among those that are chosen. Each names the entry of the audit log.
///
/// # Errors
/// The reason is none, nothing matches, or the database's own.
pub async fn discard(
    database: &DatabaseConnection,
    actor: &Actor,
    chosen: &Chosen,
    reason: &str,
) -> Result<Turned, Error> {
    let (reason, filter) = (reason::given(reason)?, chosen.filter());
    let transaction = database::begin_write(database).await?;
    let turn = Turn { action: Action::Discard, from: &[DeadLetterState::Open], reason };
    let turned = turn
        .take(&transaction, actor, filter, |letters, audit_id| {
            letters
                .col_expr(Column::State, Expr::value(DeadLetterState::Discarded))
                .col_expr(Column::Reason, Expr::value(reason))
                .col_expr(Column::SettledAt, Expr::value(clock::now()))
                .col_expr(Column::AuditId, Expr::value(audit_id))
        })
        .await?;
    let Some(turned) = turned else { return Err(nothing_open(&transaction, filter).await) };
    transaction.commit().await?;
    Ok(turned)
}
