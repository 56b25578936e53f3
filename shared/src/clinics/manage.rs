//! What an operator does with a clinic as a whole: make, configure, disable, list. It must never hand out a secret but those
//! that it has just made.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, TransactionTrait as _,
};
use secrecy::SecretString;

use super::credential::{self, Change, CredentialKind};
use super::{ClinicError, Keys};
use crate::clock;
use crate::config::ClinicSeed;
use crate::entities::{clinic, clinic_credential};
use crate::event_key::EventKey;
use crate::networks::Networks;

/// What an operator sees of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// CareQ's name of it.
    pub clinic_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when its requests are refused.
    pub disabled_at: Option<DateTime<Utc>>,
    /// How many secrets of each kind are valid now; a kind that is not here is not asked for.
    pub valid: Vec<(CredentialKind, usize)>,
    /// See [`super::Clinic`].
    pub answer_within_ms: Option<i32>,
    /// See [`super::Clinic`].
    pub rate_per_minute: Option<i32>,
    /// See [`super::Clinic`].
    pub rate_burst: Option<i32>,
    /// See [`super::Clinic`].
    pub addresses: Option<String>,
}

impl Summary {
    /// Secrets of one kind that are valid now.
    #[must_use]
    pub fn valid_of(&self, kind: CredentialKind) -> usize {
        self.valid.iter().find(|(valid, _)| *valid == kind).map_or(0, |(_, count)| *count)
    }
}

/// What is to hold for one clinic; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// In milliseconds.
    pub answer_within_ms: Option<Setting<u16>>,
    /// Requests per minute; 0 = no limit.
    pub rate_per_minute: Option<Setting<u32>>,
    /// Requests at once.
    pub rate_burst: Option<Setting<u32>>,
    /// Where its requests come from; the default is anywhere.
    pub addresses: Option<Setting<Networks>>,
}

/// A value of the clinic's own, or whatever holds for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting<T> {
    /// What the settings say.
    Default,
    /// Its own.
    Own(T),
}

impl<T> Setting<T> {
    fn own(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Own(value) => Some(value),
        }
    }
}

/// Makes a clinic with a token, and one secret of each kind that is asked for besides.
///
/// # Errors
/// It exists, or the database refused.
pub async fn add(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    clinic_id: &str,
    besides: &[CredentialKind],
) -> Result<Vec<(CredentialKind, SecretString)>, ClinicError> {
    let transaction = database.begin().await?;
    if !make(&transaction, keys, clinic_id).await? {
        return Err(ClinicError::Exists(clinic_id.to_owned()));
    }
    let mut secrets = Vec::new();
    for kind in [CredentialKind::Token].iter().chain(besides).copied() {
        let change = Change { clinic_id, kind, given: None };
        secrets.push((kind, credential::insert(&transaction, keys, &change).await?));
    }
    transaction.commit().await?;
    Ok(secrets)
}

/// Makes the clinics of the settings that are missing; those that exist keep their tokens.
///
/// # Errors
/// A name is none, or the database refused.
pub async fn seed(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    seeds: &[ClinicSeed],
) -> Result<(), ClinicError> {
    for seed in seeds {
        let transaction = database.begin().await?;
        if make(&transaction, keys, &seed.clinic_id).await? {
            let given = Some(seed.token.clone());
            let change = Change { clinic_id: &seed.clinic_id, kind: CredentialKind::Token, given };
            credential::insert(&transaction, keys, &change).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Sets what holds for one clinic.
///
/// # Errors
/// There is no such clinic, or the database refused.
pub async fn configure(
    database: &DatabaseConnection,
    clinic_id: &str,
    configuration: Configuration,
) -> Result<(), ClinicError> {
    use clinic::Column::{Addresses, AnswerWithinMs, RateBurst, RatePerMinute};
    let number =
        |value: Option<u32>| Expr::value(value.map(|value| i32::try_from(value).unwrap_or(i32::MAX)));
    let changes: [(clinic::Column, Option<SimpleExpr>); 4] = [
        (AnswerWithinMs, configuration.answer_within_ms.map(|wait| number(wait.own().map(u32::from)))),
        (RatePerMinute, configuration.rate_per_minute.map(|rate| number(rate.own()))),
        (RateBurst, configuration.rate_burst.map(|burst| number(burst.own()))),
        (Addresses, configuration.addresses.map(|own| Expr::value(own.own().map(|own| own.to_string())))),
    ];
    require(database, clinic_id).await?;
    let mut update = clinic::Entity::update_many().filter(clinic::Column::ClinicId.eq(clinic_id));
    let mut is_change = false;
    for (column, value) in changes.into_iter().filter_map(|(column, value)| Some((column, value?))) {
        update = update.col_expr(column, value);
        is_change = true;
    }
    if is_change {
        update.exec(database).await?;
    }
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
        let of_kind = |kind: CredentialKind| {
            let own =
                credentials.iter().filter(|one| one.clinic_id == clinic_id && one.kind == kind.as_str());
            (kind, own.filter(|one| one.expires_at.is_none_or(|end| end > now)).count())
        };
        CredentialKind::ALL.map(of_kind).into_iter().filter(|(_, count)| *count > 0).collect()
    };
    let clinics = clinic::Entity::find().order_by_asc(clinic::Column::ClinicId).all(database).await?;
    let summary = |row: clinic::Model| Summary {
        valid: valid(&row.clinic_id),
        clinic_id: row.clinic_id,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
        answer_within_ms: row.answer_within_ms,
        rate_per_minute: row.rate_per_minute,
        rate_burst: row.rate_burst,
        addresses: row.addresses,
    };
    Ok(clinics.into_iter().map(summary).collect())
}

/// `false`: it existed.
async fn make(database: &impl ConnectionTrait, keys: Keys<'_>, clinic_id: &str) -> Result<bool, ClinicError> {
    if clinic_id.is_empty() || clinic_id.chars().count() > 100 || clinic_id.contains('\0') {
        return Err(ClinicError::Name);
    }
    if clinic::Entity::find_by_id(clinic_id).one(database).await?.is_some() {
        return Ok(false);
    }
    let row = clinic::ActiveModel {
        clinic_id: Set(clinic_id.to_owned()),
        event_key: Set(EventKey::random().sealed(&keys()?, clinic_id).into_bytes()),
        answer_within_ms: Set(None),
        rate_per_minute: Set(None),
        rate_burst: Set(None),
        addresses: Set(None),
        created_at: Set(clock::now()),
        disabled_at: Set(None),
    };
    let made = clinic::Entity::insert(row)
        .on_conflict(OnConflict::column(clinic::Column::ClinicId).do_nothing().to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(made > 0)
}

pub(super) async fn require(database: &impl ConnectionTrait, clinic_id: &str) -> Result<(), ClinicError> {
    let found = clinic::Entity::find_by_id(clinic_id).one(database).await?;
    found.map(drop).ok_or_else(|| ClinicError::Unknown(clinic_id.to_owned()))
}
