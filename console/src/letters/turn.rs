//! What discarding and opening again have in common: letters in some states are turned to another, for a reason. It must never turn
//! one that the audit log does not name in the same transaction.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, UpdateMany};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Filter;
use crate::Error;
use crate::audit::{self, Action, Actor, Deed};

/// What was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Turned {
    /// How many letters.
    pub letters: u64,
    /// The entry of the audit log, which names them.
    pub audit_id: Uuid,
}

/// A deed on letters, and the reason that somebody gave for it.
pub(super) struct Turn<'a> {
    pub(super) action: Action,
    /// Letters in other states are left as they are.
    pub(super) from: &'a [DeadLetterState],
    pub(super) reason: &'a str,
}

impl Turn<'_> {
    /// Notes the deed and the letters, then changes these as `change` says, which gets the update to complete and the id of the deed.
    /// `None` if there is no such letter; nothing is changed then.
    ///
    /// # Errors
    /// The database's own.
    pub(super) async fn take(
        self,
        transaction: &DatabaseTransaction,
        actor: &Actor,
        filter: &Filter,
        change: impl FnOnce(UpdateMany<Entity>, Uuid) -> UpdateMany<Entity>,
    ) -> Result<Option<Turned>, Error> {
        let deed = Deed::new(self.action);
        let audit_id = deed.id;
        let letters = audit::note_letters(transaction, audit_id, filter.in_states(self.from)).await?;
        if letters == 0 {
            return Ok(None);
        }
        change(Entity::update_many(), audit_id)
            .filter(Column::Id.in_subquery(audit::letters_of(audit_id)))
            .exec(transaction)
            .await?;
        let details = json!({ "reason": self.reason, "filter": filter });
        let deed = Deed { letter_id: filter.only(), letters: Some(letters), details, ..deed };
        audit::note(transaction, actor, deed).await?;
        Ok(Some(Turned { letters, audit_id }))
    }
}
