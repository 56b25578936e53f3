//! Giving letters up, with a reason. They stay, as does what they hold; only their state changes.

use careq_shared::dead_letters::LetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::{clock, database};
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryFilter as _};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Filter;
use super::list::nothing_open;
use crate::Error;
use crate::audit::{self, Action, Actor, Deed};

/// What was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Discarded {
    /// How many letters.
    pub letters: u64,
    /// The entry of the audit log, which the letters name.
    pub audit_id: Uuid,
}

/// Discards the open letters that match.
///
/// # Errors
/// There is no reason, nothing matches, or the database's own.
pub async fn discard(
    database: &DatabaseConnection,
    actor: &Actor,
    filter: &Filter,
    reason: &str,
) -> Result<Discarded, Error> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Error::ReasonIsMissing);
    }
    let transaction = database::begin_write(database).await?;
    let deed = Deed::new(Action::Discard);
    let audit_id = deed.id;
    let discarded = Entity::update_many()
        .col_expr(Column::State, Expr::value(LetterState::Discarded))
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::SettledAt, Expr::value(clock::now()))
        .col_expr(Column::AuditId, Expr::value(audit_id))
        .filter(filter.open())
        .exec(&transaction)
        .await?;
    if discarded.rows_affected == 0 {
        return Err(nothing_open(&transaction, filter).await);
    }
    let letters = discarded.rows_affected;
    let details = json!({ "reason": reason, "filter": filter });
    let deed = Deed { letter_id: filter.only(), letters: Some(letters), details, ..deed };
    audit::note(&transaction, actor, deed).await?;
    transaction.commit().await?;
    Ok(Discarded { letters, audit_id })
}
