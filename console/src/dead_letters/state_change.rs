//! Discarding and reopening in common: selected dead letters in some states change to another, for a reason. The audit log links each
//! of them in the same transaction.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, UpdateMany};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::Filter;
use crate::audit::letters::{link_letters, linked_letters};
use crate::error::Error;

/// What was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Turned)]
pub struct BulkChange {
    /// How many letters.
    pub letters: u64,
    /// The entry of the audit log, which names them.
    pub audit_id: Uuid,
}

/// A change of state, with the reason for it.
pub(super) struct StateChange<'a> {
    pub(super) action: Action,
    /// The states to change. Dead letters in other states are not changed.
    pub(super) from: &'a [DeadLetterState],
    pub(super) reason: &'a str,
}

impl StateChange<'_> {
    /// Writes the audit entry and its links, then updates the linked dead letters. `set` completes the update; it gets the id of the
    /// entry. Returns `None`, and changes nothing, if no dead letter matches.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn apply(
        self,
        transaction: &DatabaseTransaction,
        actor: &Actor,
        filter: &Filter,
        set: impl FnOnce(UpdateMany<Entity>, Uuid) -> UpdateMany<Entity>,
    ) -> Result<Option<BulkChange>, Error> {
        let deed = Deed::new(self.action);
        let audit_id = deed.id;
        let letters = link_letters(transaction, audit_id, filter.in_states(self.from)).await?;
        if letters == 0 {
            return Ok(None);
        }
        set(Entity::update_many(), audit_id)
            .filter(Column::Id.in_subquery(linked_letters(audit_id)))
            .exec(transaction)
            .await?;
        let details = json!({ "reason": self.reason, "filter": filter });
        let deed = Deed { letter_id: filter.only_id(), letters: Some(letters), details, ..deed };
        audit::note(transaction, actor, deed).await?;
        Ok(Some(BulkChange { letters, audit_id }))
    }
}
