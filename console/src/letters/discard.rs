//! Giving letters up, with a reason. They stay, as does what they hold; only their state changes.

use careq_shared::dead_letters::LetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::{clock, database};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::nothing_open;
use super::{Chosen, reason};
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

/// Discards the open letters among those that are chosen.
///
/// # Errors
/// The reason is none, nothing matches, or the database's own.
pub async fn discard(
    database: &DatabaseConnection,
    actor: &Actor,
    chosen: &Chosen,
    reason: &str,
) -> Result<Discarded, Error> {
    let (reason, filter) = (reason::given(reason)?, chosen.filter());
    let transaction = database::begin_write(database).await?;
    let deed = Deed::new(Action::Discard);
    let audit_id = deed.id;
    let letters = audit::note_letters(&transaction, audit_id, filter.open()).await?;
    if letters == 0 {
        return Err(nothing_open(&transaction, filter).await);
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::value(LetterState::Discarded))
        .col_expr(Column::Reason, Expr::value(reason))
        .col_expr(Column::SettledAt, Expr::value(clock::now()))
        .col_expr(Column::AuditId, Expr::value(audit_id))
        .filter(Column::Id.in_subquery(audit::letters_of(audit_id)))
        .exec(&transaction)
        .await?;
    let details = json!({ "reason": reason, "filter": filter });
    let deed = Deed { letter_id: filter.only(), letters: Some(letters), details, ..deed };
    audit::note(&transaction, actor, deed).await?;
    transaction.commit().await?;
    Ok(Discarded { letters, audit_id })
}
