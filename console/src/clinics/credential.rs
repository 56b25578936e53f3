//! Changes of a clinic's secrets: set, rotate with an overlap, unset. A secret is returned once, by the function that
//! creates it, and is not readable from the database alone.

use std::time::Duration;

use careq_shared::audit::{Action, Actor};
use careq_shared::clinics::CredentialKind;
use careq_shared::entities::clinic_credential::{ActiveModel, Column, Entity};
use careq_shared::seal::{AssociatedData, Keys};
use careq_shared::secret::{self, Digest};
use careq_shared::{clock, database};
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DatabaseConnection, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, sea_query::Expr,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::error::ClinicError;
use super::row::{note, require};

/// A new secret for a clinic.
#[derive(Debug, Clone)]
pub struct Change<'change> {
    /// CareQ's name of the clinic.
    pub clinic_id: &'change str,
    /// The kind of the secret.
    pub kind: CredentialKind,
    /// The secret, if CareQ has chosen it; otherwise a random one is generated.
    pub given: Option<SecretString>,
}

/// Sets the first secret of a kind. Every request must prove it from now on.
///
/// # Errors
/// The clinic does not exist or has such a secret, the given secret is weak, or the database failed.
pub async fn set(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    actor: &Actor,
    change: &Change<'_>,
) -> Result<SecretString, ClinicError> {
    let transaction = database::begin_write(database).await?;
    require(&transaction, change.clinic_id).await?;
    if Entity::find().filter(by_kind(change.clinic_id, change.kind)).count(&transaction).await? > 0 {
        return Err(ClinicError::IsSet(change.clinic_id.to_owned(), change.kind));
    }
    let secret = insert(&transaction, keys, change).await?;
    let details = json!({ "credential": change.kind.as_str() });
    note(&transaction, actor, Action::SetCredential, change.clinic_id, details).await?;
    transaction.commit().await?;
    Ok(secret)
}

/// Sets a new secret of a kind that the clinic has. The old secrets stay valid for the overlap.
///
/// # Errors
/// The clinic does not exist or has no such secret, the given secret is weak, or the database failed.
pub async fn rotate(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    actor: &Actor,
    change: &Change<'_>,
    overlap: Duration,
) -> Result<SecretString, ClinicError> {
    let transaction = database::begin_write(database).await?;
    require(&transaction, change.clinic_id).await?;
    if Entity::find().filter(by_kind(change.clinic_id, change.kind)).count(&transaction).await? == 0 {
        return Err(ClinicError::IsNotSet(change.clinic_id.to_owned(), change.kind));
    }
    let end = end_of(overlap)?;
    Entity::update_many()
        .col_expr(Column::ExpiresAt, Expr::value(end))
        .filter(by_kind(change.clinic_id, change.kind))
        .filter(Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(end)))
        .exec(&transaction)
        .await?;
    let secret = insert(&transaction, keys, change).await?;
    let details = json!({ "credential": change.kind.as_str(), "old_ones_end_at": end });
    note(&transaction, actor, Action::RotateCredential, change.clinic_id, details).await?;
    transaction.commit().await?;
    Ok(secret)
}

/// Removes the secrets of a kind, which is no longer required.
///
/// # Errors
/// The clinic does not exist or has no such secret, the kind is the token, or the database failed.
pub async fn unset(
    database: &DatabaseConnection,
    actor: &Actor,
    clinic_id: &str,
    kind: CredentialKind,
) -> Result<(), ClinicError> {
    if kind == CredentialKind::Token {
        return Err(ClinicError::TokenIsRequired);
    }
    let transaction = database::begin_write(database).await?;
    require(&transaction, clinic_id).await?;
    let deleted = Entity::delete_many().filter(by_kind(clinic_id, kind)).exec(&transaction).await?;
    if deleted.rows_affected == 0 {
        return Err(ClinicError::IsNotSet(clinic_id.to_owned(), kind));
    }
    let details = json!({ "credential": kind.as_str() });
    note(&transaction, actor, Action::UnsetCredential, clinic_id, details).await?;
    Ok(transaction.commit().await?)
}

/// The secrets of one kind.
fn by_kind(clinic_id: &str, kind: CredentialKind) -> Condition {
    Condition::all().add(Column::ClinicId.eq(clinic_id)).add(Column::Kind.eq(kind.as_str()))
}

fn end_of(overlap: Duration) -> Result<DateTime<Utc>, ClinicError> {
    let end = TimeDelta::from_std(overlap).ok().and_then(|overlap| clock::now().checked_add_signed(overlap));
    end.filter(|end| end.year() <= 9998).ok_or(ClinicError::Overlap)
}

/// Stores a secret and returns it.
pub(super) async fn insert(
    database: &impl ConnectionTrait,
    keys: Keys<'_>,
    change: &Change<'_>,
) -> Result<SecretString, ClinicError> {
    let secret = match &change.given {
        Some(given) => require_strong(given, change.kind)?.clone(),
        None => secret::random(change.kind.prefix()),
    };
    let id = Uuid::new_v4();
    let verifier = match change.kind {
        CredentialKind::SigningSecret => {
            let value = secret.expose_secret().as_bytes();
            keys()?.seal(AssociatedData::signing_secret(&id.to_string()), value).into_text()
        }
        _ => Digest::new(secret.expose_secret()).into_text(),
    };
    if change.kind == CredentialKind::Token {
        require_unique(database, change.clinic_id, &verifier).await?;
    }
    let row = ActiveModel {
        id: Set(id),
        clinic_id: Set(change.clinic_id.to_owned()),
        kind: Set(change.kind.as_str().to_owned()),
        verifier: Set(verifier),
        created_at: Set(clock::now()),
        expires_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(database).await?;
    Ok(secret)
}

async fn require_unique(
    database: &impl ConnectionTrait,
    clinic_id: &str,
    verifier: &str,
) -> Result<(), ClinicError> {
    let others = Entity::find()
        .filter(Column::Kind.eq(CredentialKind::Token.as_str()))
        .filter(Column::Verifier.eq(verifier))
        .filter(Column::ClinicId.ne(clinic_id));
    if others.count(database).await? == 0 { Ok(()) } else { Err(ClinicError::TokenIsTaken) }
}

fn require_strong(given: &SecretString, kind: CredentialKind) -> Result<&SecretString, ClinicError> {
    let text = given.expose_secret();
    let is_strong = text.len() >= kind.min_length() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_strong { Ok(given) } else { Err(ClinicError::Weak(kind.min_length())) }
}
