//! Reveals a payload. The audit entry is committed first, so that no reveal is unrecorded. A limit per actor and minute
//! makes a copy of all payloads slow, and visible in the audit log.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::entities::audit_entry;
use careq_shared::seal::Seal;
use careq_shared::{clock, database};
use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _,
};
use serde_json::json;
use uuid::Uuid;

use super::list::DeadLetter;
use super::payload::Payload;
use super::state_change::checked_reason;
use crate::error::Error;
use crate::limits::MAX_REVEALS_PER_MINUTE;

/// Decrypts and returns a dead letter's payload.
///
/// # Errors
/// The reason is empty or too long, the actor has reached the limit, the dead letter is unknown, its payload cannot be decrypted, or the
/// database failed.
pub async fn reveal(
    database: &DatabaseConnection,
    seal: &Seal,
    actor: &Actor,
    id: Uuid,
    reason: &str,
) -> Result<Payload, Error> {
    let reason = checked_reason(reason)?;
    let letter = DeadLetter::by_id(database, id).await?;
    let details = json!({ "event_id": letter.event_id, "reason": reason });
    let deed = Deed { letter_id: Some(id), details, ..Deed::new(Action::Reveal) };
    let transaction = database::begin_write(database).await?;
    audit::note(&transaction, actor, deed).await?;
    // Writers of audit entries wait for each other, so this count sees every concurrent reveal. A refused one is rolled back.
    require_within_limit(&transaction, actor).await?;
    transaction.commit().await?;
    Payload::read(database, seal, id).await
}

/// Counts the actor's reveals within the last minute, including this one.
async fn require_within_limit(transaction: &DatabaseTransaction, actor: &Actor) -> Result<(), Error> {
    use audit_entry::Column;
    let since = clock::now() - TimeDelta::minutes(1);
    let reveals = audit_entry::Entity::find()
        .filter(Column::Action.eq(Action::Reveal.as_str()))
        .filter(Column::Actor.eq(actor.name.as_str()))
        .filter(Column::At.gt(since))
        .count(transaction)
        .await?;
    if reveals > MAX_REVEALS_PER_MINUTE { Err(Error::TooManyReveals) } else { Ok(()) }
}
