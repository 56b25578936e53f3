//! Clinics and their credentials, for the command line that makes them and the ingress that asks for them. A token is
//! shown once, when it is made; only its digest must ever be stored.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, TransactionTrait as _, sea_query::Expr,
};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::config::ClinicSeed;
use crate::entities::{clinic, clinic_credential};
use crate::ids::EventKey;
use crate::{canonical, clock};

/// The `kind` of a bearer token's credential.
const BEARER: &str = "bearer";

/// A clinic that may call, as the ingress keeps it.
#[derive(Debug, Clone)]
pub struct Clinic {
    /// CareQ's name of it.
    pub clinic_id: String,
    /// Seals its event ids.
    pub event_key: EventKey,
    /// How long its answers may wait for their results, in milliseconds, where that differs from the settings.
    pub answer_within_ms: Option<u64>,
    /// SHA-256 digests of the tokens that are valid, in hexadecimal, with the end of each where it has one.
    pub tokens: Vec<TokenDigest>,
}

/// A valid token, known by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDigest {
    /// See [`digest`].
    pub digest: String,
    /// After a rotation, the end of the overlap.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What an operator sees of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// CareQ's name of it.
    pub clinic_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when its requests are refused.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Tokens that are valid now.
    pub valid_tokens: usize,
}

/// Why a clinic could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClinicError {
    /// It is there already.
    #[error("clinic {0} exists already; `careq-sync clinic rotate {0}` gives it a new token")]
    Exists(String),
    /// It is not there.
    #[error("there is no clinic {0}; `careq-sync clinic list` shows all")]
    Unknown(String),
    /// Its name cannot be one.
    #[error("a clinic_id has 1 to 100 characters (API specification, field tables)")]
    Name,
    /// The old tokens would outlive the calendar.
    #[error("the overlap is too long; an overlap of weeks is already a long one")]
    Overlap,
    /// The database's own.
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
}

/// The digest under which a token is stored.
#[must_use]
pub fn digest(token: &str) -> String {
    canonical::sha256_hex(&[token.as_bytes()])
}

/// Makes a clinic and its first token.
///
/// # Errors
/// It exists, or the database refused.
pub async fn add(database: &DatabaseConnection, clinic_id: &str) -> Result<SecretString, ClinicError> {
    let token = new_token();
    if make(database, clinic_id, &token).await? {
        Ok(token)
    } else {
        Err(ClinicError::Exists(clinic_id.to_owned()))
    }
}

/// Makes the clinics of the settings that are missing; those that exist keep their tokens.
///
/// # Errors
/// A name is none, or the database refused.
pub async fn seed(database: &DatabaseConnection, seeds: &[ClinicSeed]) -> Result<(), ClinicError> {
    for seed in seeds {
        make(database, &seed.clinic_id, &seed.token).await?;
    }
    Ok(())
}

/// Gives a clinic a new token; the old ones stay valid for the overlap.
///
/// # Errors
/// There is no such clinic, or the database refused.
pub async fn rotate(
    database: &DatabaseConnection,
    clinic_id: &str,
    overlap: Duration,
) -> Result<SecretString, ClinicError> {
    let transaction = database.begin().await?;
    require(&transaction, clinic_id).await?;
    let now = clock::now();
    let end = TimeDelta::from_std(overlap).ok().and_then(|overlap| now.checked_add_signed(overlap));
    let end = end.filter(|end| end.year() <= 9998).ok_or(ClinicError::Overlap)?;
    clinic_credential::Entity::update_many()
        .col_expr(clinic_credential::Column::ExpiresAt, Expr::value(end))
        .filter(clinic_credential::Column::ClinicId.eq(clinic_id))
        .filter(
            clinic_credential::Column::ExpiresAt.is_null().or(clinic_credential::Column::ExpiresAt.gt(end)),
        )
        .exec(&transaction)
        .await?;
    let token = new_token();
    insert_token(&transaction, clinic_id, &token).await?;
    transaction.commit().await?;
    Ok(token)
}

/// Sets how long a clinic's answers may wait for their results, in milliseconds; `None` follows the settings.
///
/// # Errors
/// There is no such clinic, or the database refused.
pub async fn set_answer_within(
    database: &DatabaseConnection,
    clinic_id: &str,
    answer_within_ms: Option<u16>,
) -> Result<(), ClinicError> {
    require(database, clinic_id).await?;
    clinic::Entity::update_many()
        .col_expr(clinic::Column::AnswerWithinMs, Expr::value(answer_within_ms.map(i32::from)))
        .filter(clinic::Column::ClinicId.eq(clinic_id))
        .exec(database)
        .await?;
    Ok(())
}

/// Refuses a clinic's requests from now on.
///
/// # Errors
/// There is no such clinic, or the database refused.
pub async fn disable(database: &DatabaseConnection, clinic_id: &str) -> Result<(), ClinicError> {
    require(database, clinic_id).await?;
    clinic::Entity::update_many()
        .col_expr(clinic::Column::DisabledAt, Expr::value(clock::now()))
        .filter(clinic::Column::ClinicId.eq(clinic_id))
        .filter(clinic::Column::DisabledAt.is_null())
        .exec(database)
        .await?;
    Ok(())
}

/// Every clinic, by name.
///
/// # Errors
/// The database's own.
pub async fn list(database: &DatabaseConnection) -> Result<Vec<Summary>, DbErr> {
    let now = clock::now();
    let credentials = clinic_credential::Entity::find().all(database).await?;
    let valid = |clinic_id: &str| {
        credentials
            .iter()
            .filter(|one| one.clinic_id == clinic_id && one.expires_at.is_none_or(|end| end > now))
            .count()
    };
    let clinics = clinic::Entity::find().order_by_asc(clinic::Column::ClinicId).all(database).await?;
    let summary = |row: clinic::Model| Summary {
        valid_tokens: valid(&row.clinic_id),
        clinic_id: row.clinic_id,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
    };
    Ok(clinics.into_iter().map(summary).collect())
}

/// The clinics whose requests are taken, with their tokens.
///
/// # Errors
/// The database's own.
pub async fn enabled(database: &DatabaseConnection) -> Result<Vec<Clinic>, DbErr> {
    let rows = clinic::Entity::find().filter(clinic::Column::DisabledAt.is_null()).all(database).await?;
    let mut tokens: BTreeMap<String, Vec<TokenDigest>> = BTreeMap::new();
    let now = clock::now();
    for credential in clinic_credential::Entity::find().all(database).await? {
        if credential.kind == BEARER && credential.expires_at.is_none_or(|end| end > now) {
            let token = TokenDigest { digest: credential.digest, expires_at: credential.expires_at };
            tokens.entry(credential.clinic_id).or_default().push(token);
        }
    }
    let clinic = |row: clinic::Model| {
        let Ok(key) = <[u8; 32]>::try_from(row.event_key) else {
            return Err(DbErr::Custom(format!("the event key of clinic {} is damaged", row.clinic_id)));
        };
        let tokens = tokens.remove(&row.clinic_id).unwrap_or_default();
        let answer_within_ms = row.answer_within_ms.and_then(|wait| u64::try_from(wait).ok());
        Ok(Clinic { event_key: EventKey::new(key), answer_within_ms, tokens, clinic_id: row.clinic_id })
    };
    rows.into_iter().map(clinic).collect()
}

/// `false`: it existed.
async fn make(
    database: &DatabaseConnection,
    clinic_id: &str,
    token: &SecretString,
) -> Result<bool, ClinicError> {
    if clinic_id.is_empty() || clinic_id.chars().count() > 100 || clinic_id.contains('\0') {
        return Err(ClinicError::Name);
    }
    let mut event_key = vec![0; 32];
    rand::fill(&mut event_key);
    let row = clinic::ActiveModel {
        clinic_id: Set(clinic_id.to_owned()),
        event_key: Set(event_key),
        answer_within_ms: Set(None),
        created_at: Set(clock::now()),
        disabled_at: Set(None),
    };
    let transaction = database.begin().await?;
    let made = clinic::Entity::insert(row)
        .on_conflict(OnConflict::column(clinic::Column::ClinicId).do_nothing().to_owned())
        .exec_without_returning(&transaction)
        .await?;
    if made > 0 {
        insert_token(&transaction, clinic_id, token).await?;
    }
    transaction.commit().await?;
    Ok(made > 0)
}

async fn require(database: &impl ConnectionTrait, clinic_id: &str) -> Result<(), ClinicError> {
    let found = clinic::Entity::find_by_id(clinic_id).one(database).await?;
    found.map(drop).ok_or_else(|| ClinicError::Unknown(clinic_id.to_owned()))
}

async fn insert_token(
    database: &impl ConnectionTrait,
    clinic_id: &str,
    token: &SecretString,
) -> Result<(), DbErr> {
    let row = clinic_credential::ActiveModel {
        id: Set(Uuid::new_v4()),
        clinic_id: Set(clinic_id.to_owned()),
        kind: Set(BEARER.to_owned()),
        digest: Set(digest(token.expose_secret())),
        created_at: Set(clock::now()),
        expires_at: Set(None),
    };
    clinic_credential::Entity::insert(row).exec_without_returning(database).await.map(drop)
}

/// 256 random bits behind a prefix that secret scanners can find.
fn new_token() -> SecretString {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    format!("careq_{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}
