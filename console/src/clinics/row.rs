//! The row of a clinic while it is changed: whether it exists, and the audit entry of the change.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::entities::clinic;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _};
use serde_json::Value;

use super::error::ClinicError;

/// Requires that a clinic exists.
pub(super) async fn require(database: &impl ConnectionTrait, clinic_id: &str) -> Result<(), ClinicError> {
    let found = clinic::Entity::find_by_id(clinic_id).one(database).await?;
    found.map(drop).ok_or_else(|| ClinicError::Unknown(clinic_id.to_owned()))
}

/// Writes the audit entry of a change of a clinic.
pub(super) async fn note(
    transaction: &DatabaseTransaction,
    actor: &Actor,
    action: Action,
    clinic_id: &str,
    mut details: Value,
) -> Result<(), DbErr> {
    if let Value::Object(details) = &mut details {
        details.insert("clinic_id".to_owned(), clinic_id.into());
    }
    let deed = Deed { details, ..Deed::new(action) };
    audit::note(transaction, actor, deed).await
}
