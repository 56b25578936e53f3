//! Admins are made, given a new token, disabled. Each is noted in the audit log. There must never be two tokens of one admin: the old
//! one is void when a new one is made.

use std::time::Duration;

use careq_shared::entities::admin::{Column, Entity, Model};
use careq_shared::secret::{self, Digest};
use careq_shared::{clock, database};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;

use super::Role;
use crate::audit::{self, Action, Actor, Deed};

/// Secret scanners find it by this.
const PREFIX: &str = "careqadmin_";

/// A new token, and whose it is.
#[derive(Debug)]
pub struct Made {
    /// The admin's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Shown only now.
    pub token: SecretString,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What is known of an admin; never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// As the audit log names it.
    pub name: String,
    /// See [`Role`].
    pub role: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it got its present token, if not then.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Since when its requests are refused.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When its token ends, or has ended.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why an admin could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Names are logged and typed, and two that differ in a capital are one to a reader.
    #[error("a name has 1 to 64 characters: letters a to z, digits, and any of . _ @ -")]
    Name,
    /// A name is never given to somebody else, since the audit log speaks of it.
    #[error("admin {0} exists already; `careq-sync admin rotate {0}` gives it a new token")]
    Exists(String),
    /// It is not there.
    #[error("there is no admin {0}; `careq-sync admin list` shows all")]
    Unknown(String),
    /// It has no token to be replaced.
    #[error("admin {0} is disabled; add another under a new name")]
    Disabled(String),
    /// A token that is forgotten must not be good for ever.
    #[error("a token ends after at least an hour, and at most 366 days")]
    Expires,
    /// The database's own.
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
}

/// Makes an admin.
///
/// # Errors
/// The name is none, or taken; or the database's own.
pub async fn add(
    database: &DatabaseConnection,
    actor: &Actor,
    name: &str,
    role: Role,
    expires: Duration,
) -> Result<Made, AdminError> {
    require_name(name)?;
    let expires_at = end_of(expires)?;
    let transaction = database::begin_write(database).await?;
    if Entity::find_by_id(name).one(&transaction).await?.is_some() {
        return Err(AdminError::Exists(name.to_owned()));
    }
    let token = secret::random(PREFIX);
    let row = Model {
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        verifier: Digest::of(token.expose_secret()).into_text(),
        created_at: clock::now(),
        rotated_at: None,
        disabled_at: None,
        expires_at: Some(expires_at),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(&transaction).await?;
    let details = json!({ "admin": name, "role": role, "expires_at": expires_at });
    audit::note(&transaction, actor, Deed { details, ..Deed::new(Action::AddAdmin) }).await?;
    transaction.commit().await?;
    Ok(Made { name: name.to_owned(), role, token, expires_at })
}

/// Gives an admin a new token; the old one is void at once.
///
/// # Errors
/// There is none, or it is disabled; or the database's own.
pub async fn rotate(
    database: &DatabaseConnection,
    actor: &Actor,
    name: &str,
    expires: Duration,
) -> Result<Made, AdminError> {
    let expires_at = end_of(expires)?;
    let transaction = database::begin_write(database).await?;
    let admin = require(&transaction, name).await?;
    let role = admin.role.parse().ok().filter(|_| admin.disabled_at.is_none());
    let role = role.ok_or_else(|| AdminError::Disabled(name.to_owned()))?;
    let token = secret::random(PREFIX);
    Entity::update_many()
        .col_expr(Column::Verifier, Expr::value(Digest::of(token.expose_secret()).into_text()))
        .col_expr(Column::RotatedAt, Expr::value(clock::now()))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::Name.eq(name))
        .exec(&transaction)
        .await?;
    let details = json!({ "admin": name, "expires_at": expires_at });
    audit::note(&transaction, actor, Deed { details, ..Deed::new(Action::RotateAdmin) }).await?;
    transaction.commit().await?;
    Ok(Made { name: name.to_owned(), role, token, expires_at })
}

/// Refuses an admin's requests from now on.
///
/// # Errors
/// There is none, or the database's own.
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

/// Every admin, by name.
///
/// # Errors
/// The database's own.
pub async fn list(database: &DatabaseConnection) -> Result<Vec<Summary>, AdminError> {
    let rows = Entity::find().order_by_asc(Column::Name).all(database).await?;
    let summary = |row: Model| {
        let Model { name, role, created_at, rotated_at, disabled_at, expires_at, .. } = row;
        Summary { name, role, created_at, rotated_at, disabled_at, expires_at }
    };
    Ok(rows.into_iter().map(summary).collect())
}

fn end_of(expires: Duration) -> Result<DateTime<Utc>, AdminError> {
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
