//! Adds, rotates, disables and lists admins. Each change has an entry in the audit log. An admin has one token: a new one replaces
//! the old one at once.

use std::time::Duration;

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::entities::admin::{Column, Entity, Model};
use careq_shared::secret::{self, Digest};
use careq_shared::{clock, database};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, DerivePartialModel, EntityTrait as _,
    FromQueryResult, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;

use super::token::Role;

/// The prefix of every token, for secret scanners.
const TOKEN_PREFIX: &str = "careqadmin_";

/// A new token and its admin.
#[derive(Debug)]
pub struct NewToken {
    /// The admin's name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The token, which is not stored.
    pub token: SecretString,
    /// The end of the token's validity.
    pub expires_at: DateTime<Utc>,
}

/// An admin as listed, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub struct Summary {
    /// The name, as in the audit log.
    pub name: String,
    /// The role; see [`Role`].
    pub role: String,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last rotation, if any.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The time from which requests are refused, if any.
    pub disabled_at: Option<DateTime<Utc>>,
    /// The end of the token's validity.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The reason why an admin could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The name has other characters, or is too long. Capitals are refused, since names that differ only in case are confused.
    #[error("a name has 1 to 64 characters: letters a to z, digits, and any of . _ @ -")]
    Name,
    /// The name is taken. Names are never reused, since the audit log refers to them.
    #[error("admin {0} exists already; `careq-sync admin rotate {0}` gives it a new token")]
    Exists(String),
    /// No admin has this name.
    #[error("there is no admin {0}; `careq-sync admin list` shows all")]
    Unknown(String),
    /// The admin is disabled, so its token cannot be replaced.
    #[error("admin {0} is disabled; add another under a new name")]
    Disabled(String),
    /// The validity is shorter than an hour or longer than 366 days.
    #[error("a token ends after at least an hour, and at most 366 days")]
    Expires,
    /// The database failed.
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
}

/// Adds an admin.
///
/// # Errors
/// The name is invalid or taken, the validity is out of range, or the database failed.
pub async fn add(
    database: &DatabaseConnection,
    actor: &Actor,
    name: &str,
    role: Role,
    expires: Duration,
) -> Result<NewToken, AdminError> {
    require_name(name)?;
    let expires_at = expiry(expires)?;
    let transaction = database::begin_write(database).await?;
    if Entity::find_by_id(name).one(&transaction).await?.is_some() {
        return Err(AdminError::Exists(name.to_owned()));
    }
    let token = secret::random(TOKEN_PREFIX);
    let row = Model {
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        verifier: Digest::new(token.expose_secret()).into_text(),
        created_at: clock::now(),
        rotated_at: None,
        disabled_at: None,
        expires_at: Some(expires_at),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(&transaction).await?;
    let details = json!({ "admin": name, "role": role, "expires_at": expires_at });
    audit::note(&transaction, actor, Deed { details, ..Deed::new(Action::AddAdmin) }).await?;
    transaction.commit().await?;
    Ok(NewToken { name: name.to_owned(), role, token, expires_at })
}

/// Replaces an admin's token at once.
///
/// # Errors
/// The admin is unknown or disabled, the validity is out of range, or the database failed.
pub async fn rotate(
    database: &DatabaseConnection,
    actor: &Actor,
    name: &str,
    expires: Duration,
) -> Result<NewToken, AdminError> {
    let expires_at = expiry(expires)?;
    let transaction = database::begin_write(database).await?;
    let admin = require(&transaction, name).await?;
    if admin.disabled_at.is_some() {
        return Err(AdminError::Disabled(name.to_owned()));
    }
    let role = admin.role.parse::<Role>().map_err(|fault| DbErr::Type(fault.to_string()))?;
    let token = secret::random(TOKEN_PREFIX);
    Entity::update_many()
        .col_expr(Column::Verifier, Expr::value(Digest::new(token.expose_secret()).into_text()))
        .col_expr(Column::RotatedAt, Expr::value(clock::now()))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::Name.eq(name))
        .exec(&transaction)
        .await?;
    let details = json!({ "admin": name, "expires_at": expires_at });
    audit::note(&transaction, actor, Deed { details, ..Deed::new(Action::RotateAdmin) }).await?;
    transaction.commit().await?;
    Ok(NewToken { name: name.to_owned(), role, token, expires_at })
}

/// Disables an admin: its requests are refused from now on.
///
/// # Errors
/// The admin is unknown, or the database failed.
pub async fn disable(database: &DatabaseConnection, actor: &Actor, name: &str) -> Result<(), AdminError> {
    let transaction = database::begin_write(database).await?;
    if require(&transaction, name).await?.disabled_at.is_some() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::DisabledAt, Expr::value(clock::now()))
        .filter(Column::Name.eq(name))
        .exec(&transaction)
        .await?;
    let deed = Deed { details: json!({ "admin": name }), ..Deed::new(Action::DisableAdmin) };
    audit::note(&transaction, actor, deed).await?;
    Ok(transaction.commit().await?)
}

/// Lists every admin, sorted by name.
///
/// # Errors
/// The database failed.
pub async fn list(database: &DatabaseConnection) -> Result<Vec<Summary>, AdminError> {
    Ok(Entity::find().order_by_asc(Column::Name).into_partial_model().all(database).await?)
}

fn expiry(expires: Duration) -> Result<DateTime<Utc>, AdminError> {
    let expires = TimeDelta::from_std(expires).ok();
    let expires = expires.filter(|expires| (TimeDelta::hours(1)..=TimeDelta::days(366)).contains(expires));
    Ok(clock::now() + expires.ok_or(AdminError::Expires)?)
}

fn require_name(name: &str) -> Result<(), AdminError> {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'@' | b'-')
    };
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) { Ok(()) } else { Err(AdminError::Name) }
}

async fn require(transaction: &DatabaseTransaction, name: &str) -> Result<Model, AdminError> {
    let found = Entity::find_by_id(name).one(transaction).await?;
    found.ok_or_else(|| AdminError::Unknown(name.to_owned()))
}
