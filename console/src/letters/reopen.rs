//! The way back: letters that were given up, or corrected, need a person again. What was discarded by mistake must not be lost.

use careq_shared::database;
use careq_shared::dead_letters::LetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Chosen, Letter, reason};
use crate::Error;
use crate::audit::{self, Action, Actor, Deed};

/// What is open again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reopened {
    /// How many letters.
    pub letters: u64,
    /// The entry of the audit log.
    pub audit_id: Uuid,
}

/// Opens the discarded and superseded letters among those that are chosen.
///
/// # Errors
/// The reason is none, nothing matches, or the database's own.
pub async fn reopen(
    database: &DatabaseConnection,
    actor: &Actor,
    chosen: &Chosen,
    reason: &str,
) -> Result<Reopened, Error> {
    let (reason, filter) = (reason::given(reason)?, chosen.filter());
    let transaction = database::begin_write(database).await?;
    let deed = Deed::new(Action::Reopen);
    let audit_id = deed.id;
    let given_up = filter.in_states(&[LetterState::Discarded, LetterState::Superseded]);
    let letters = audit::note_letters(&transaction, audit_id, given_up).await?;
    if letters == 0 {
        if let Some(id) = filter.only() {
            Letter::by_id(&transaction, id).await?;
        }
        return Err(Error::NothingToReopen);
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::value(LetterState::Open))
        .col_expr(Column::SettledAt, Expr::value(Option::<DateTime<Utc>>::None))
        .filter(Column::Id.in_subquery(audit::letters_of(audit_id)))
        .exec(&transaction)
        .await?;
    let details = json!({ "reason": reason, "filter": filter });
    let deed = Deed { letter_id: filter.only(), letters: Some(letters), details, ..deed };
    audit::note(&transaction, actor, deed).await?;
    transaction.commit().await?;
    Ok(Reopened { letters, audit_id })
}
