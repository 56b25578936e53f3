//! The way back: letters that were given up, or corrected, need a person again. What was discarded by mistake must not be lost.

use careq_shared::database;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::Column;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use sea_orm::sea_query::Expr;

use super::turn::{Turn, Turned};
use super::{Chosen, Letter, reason};
use crate::Error;
use crate::audit::{Action, Actor};

/// Opens the discarded and superseded letters among those that are chosen.
///
/// # Errors
/// The reason is none, nothing matches, or the database's own.
pub async fn reopen(
    database: &DatabaseConnection,
    actor: &Actor,
    chosen: &Chosen,
    reason: &str,
) -> Result<Turned, Error> {
    let (reason, filter) = (reason::given(reason)?, chosen.filter());
    let transaction = database::begin_write(database).await?;
    let given_up = [DeadLetterState::Discarded, DeadLetterState::Superseded];
    let turn = Turn { action: Action::Reopen, from: &given_up, reason };
    let turned = turn
        .take(&transaction, actor, filter, |letters, _| {
            letters
                .col_expr(Column::State, Expr::value(DeadLetterState::Open))
                .col_expr(Column::SettledAt, Expr::value(Option::<DateTime<Utc>>::None))
        })
        .await?;
    let Some(turned) = turned else {
        if let Some(id) = filter.only() {
            Letter::by_id(&transaction, id).await?;
        }
        return Err(Error::NothingToReopen);
    };
    transaction.commit().await?;
    Ok(turned)
}
