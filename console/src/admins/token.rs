//! Admins, and their authentication by token. Each request queries the database, so that a change applies at once. Digests are compared, in constant time.

use careq_shared::clock;
use careq_shared::database::read;
use careq_shared::entities::admin::{Column, Entity};
use careq_shared::secret::Digest;
use careq_shared::words;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use subtle::ConstantTimeEq as _;

words! {
    /// The role of an admin.
    Role {
        /// Reads everything but payloads.
        Reader = "reader",
        /// Reveals payloads, replays, corrects and discards, too.
        Operator = "operator",
    }
}

/// An authenticated user of the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The name, as in the audit log.
    pub name: String,
    /// The role.
    pub role: Role,
}

/// The admin whose token has this digest, unless the admin is disabled or the token has expired.
///
/// # Errors
/// The database failed.
pub async fn authenticate(database: &DatabaseConnection, digest: &Digest) -> Result<Option<Admin>, DbErr> {
    let select = Entity::find()
        .filter(Column::Verifier.eq(String::from_utf8_lossy(digest.as_bytes())))
        .filter(Column::DisabledAt.is_null());
    let Some(row) = read(|| select.clone().one(database)).await? else { return Ok(None) };
    let is_equal = bool::from(row.verifier.as_bytes().ct_eq(digest.as_bytes()));
    let is_valid = is_equal && row.expires_at.is_some_and(|expires_at| expires_at > clock::now());
    // An unknown role, which only another version can have written, is refused.
    Ok(row.role.parse().ok().filter(|_| is_valid).map(|role| Admin { name: row.name, role }))
}
