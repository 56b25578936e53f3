//! Reopens discarded and superseded dead letters: the way back from a discard by mistake.

use careq_shared::audit::{Action, Actor};
use careq_shared::database;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::Column;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use sea_orm::sea_query::Expr;

use super::list::DeadLetter;
use super::reason;
use super::selection::Selection;
use super::state_change::{BulkChange, StateChange};
use crate::error::Error;

/// Reopens the discarded and superseded dead letters of a selection.
///
/// # Errors
/// The reason is empty or too long, nothing matches, or the database failed.
pub async fn reopen(
    database: &DatabaseConnection,
    actor: &Actor,
    selection: &Selection,
    reason: &str,
) -> Result<BulkChange, Error> {
    let (reason, filter) = (reason::checked(reason)?, selection.filter());
    let transaction = database::begin_write(database).await?;
    let from = [DeadLetterState::Discarded, DeadLetterState::Superseded];
    let change = StateChange { action: Action::Reopen, from: &from, reason };
    let changed = change
        .apply(&transaction, actor, filter, |letters, _| {
            letters
                .col_expr(Column::State, Expr::value(DeadLetterState::Open))
                .col_expr(Column::SettledAt, Expr::value(Option::<DateTime<Utc>>::None))
        })
        .await?;
    let Some(changed) = changed else {
        if let Some(id) = filter.only_id() {
            DeadLetter::by_id(&transaction, id).await?;
        }
        return Err(Error::NothingToReopen);
    };
    transaction.commit().await?;
    Ok(changed)
}
