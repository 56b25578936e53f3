//! Whose token it is. The database is asked at each request, so that a change holds at once; a token must never be compared itself:
//! its digest is.

use careq_shared::clock;
use careq_shared::database::read;
use careq_shared::entities::admin::{Column, Entity};
use careq_shared::secret::Digest;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use subtle::ConstantTimeEq as _;

use super::Role;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// As the audit log names it.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// The admin whose token has this digest, unless it is disabled, or the token has ended.
///
/// # Errors
/// The database's own.
pub async fn of_token(database: &DatabaseConnection, digest: &Digest) -> Result<Option<Admin>, DbErr> {
    let select = Entity::find()
        .filter(Column::Verifier.eq(String::from_utf8_lossy(digest.as_bytes())))
        .filter(Column::DisabledAt.is_null());
    let Some(row) = read(|| select.clone().one(database)).await? else { return Ok(None) };
    let is_its = bool::from(row.verifier.as_bytes().ct_eq(digest.as_bytes()));
    let is_its = is_its && row.expires_at.is_some_and(|end| end > clock::now());
    // A role that this version does not know lets nobody in.
    Ok(row.role.parse().ok().filter(|_| is_its).map(|role| Admin { name: row.name, role }))
}
