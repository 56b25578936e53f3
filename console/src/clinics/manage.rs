//! Changes of a clinic as a whole: add, configure, disable, list. Secrets are returned only when they are created.

use careq_shared::audit::{Action, Actor};
use careq_shared::clinics::CredentialKind;
use careq_shared::config::ClinicSeed;
use careq_shared::entities::{clinic, clinic_credential};
use careq_shared::event_key::EventKey;
use careq_shared::networks::Networks;
use careq_shared::seal::Keys;
use careq_shared::secret::Digest;
use careq_shared::{clock, database};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _,
    ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::credential::{self, Change};
use super::error::ClinicError;
use super::row::{note, require};

/// A clinic as an operator sees it. Its own settings are those of [`careq_shared::clinics::Clinic`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "most fields are columns of `clinics`")]
pub struct Summary {
    pub clinic_id: String,
    pub created_at: DateTime<Utc>,
    /// The time since which its requests are refused.
    pub disabled_at: Option<DateTime<Utc>>,
    /// The number of valid secrets of each kind; a missing kind is not required.
    pub valid: Vec<(CredentialKind, usize)>,
    pub answer_within_ms: Option<i32>,
    pub rate_per_minute: Option<i32>,
    pub rate_burst: Option<i32>,
    pub addresses: Option<String>,
}

impl Summary {
    /// The number of valid secrets of one kind.
    #[must_use]
    pub fn valid_of(&self, kind: CredentialKind) -> usize {
        self.valid.iter().find(|(valid, _)| *valid == kind).map_or(0, |(_, count)| *count)
    }
}

/// Changes of a clinic's own settings; `None` leaves a setting unchanged.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// In milliseconds.
    pub answer_within_ms: Option<Setting<u16>>,
    /// Requests per minute; 0 = no limit.
    pub rate_per_minute: Option<Setting<u32>>,
    /// The burst, in requests.
    pub rate_burst: Option<Setting<u32>>,
    /// The allowed source networks; the default allows all.
    pub addresses: Option<Setting<Networks>>,
}

impl Configuration {
    /// The changes, for the audit log.
    fn details(&self) -> Value {
        fn change<T: ToString>(name: &str, setting: Option<&Setting<T>>) -> Option<(String, Value)> {
            let value = match setting? {
                Setting::Default => "default".to_owned(),
                Setting::Own(value) => value.to_string(),
            };
            Some((name.to_owned(), value.into()))
        }
        let changes = [
            change("answer_within_ms", self.answer_within_ms.as_ref()),
            change("rate_per_minute", self.rate_per_minute.as_ref()),
            change("rate_burst", self.rate_burst.as_ref()),
            change("addresses", self.addresses.as_ref()),
        ];
        Value::Object(changes.into_iter().flatten().collect())
    }
}

/// A setting of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting<T> {
    /// The value of the global settings.
    Default,
    /// The clinic's own value.
    Own(T),
}

impl<T> Setting<T> {
    fn own(self) -> Option<T> {
        if let Self::Own(value) = self { Some(value) } else { None }
    }
}

/// Creates a clinic with a token and one secret of each further kind.
///
/// # Errors
/// The clinic exists, or the database failed.
pub async fn add(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    actor: &Actor,
    clinic_id: &str,
    further: &[CredentialKind],
) -> Result<Vec<(CredentialKind, SecretString)>, ClinicError> {
    let transaction = database::begin_write(database).await?;
    if !make(&transaction, keys, clinic_id).await? {
        return Err(ClinicError::Exists(clinic_id.to_owned()));
    }
    let mut secrets = Vec::new();
    for kind in [CredentialKind::Token].iter().chain(further).copied() {
        let change = Change { clinic_id, kind, given: None };
        secrets.push((kind, credential::insert(&transaction, keys, &change).await?));
    }
    let made: Vec<_> = secrets.iter().map(|(kind, _)| kind.as_str()).collect();
    note(&transaction, actor, Action::AddClinic, clinic_id, json!({ "credentials": made })).await?;
    transaction.commit().await?;
    Ok(secrets)
}

/// Creates the missing clinics of the setting `clinics`. Existing clinics keep their tokens.
///
/// # Errors
/// A name is not valid, or the database failed.
pub async fn seed(
    database: &DatabaseConnection,
    keys: Keys<'_>,
    actor: &Actor,
    seeds: &[ClinicSeed],
) -> Result<(), ClinicError> {
    for seed in seeds {
        let transaction = database::begin_write(database).await?;
        if make(&transaction, keys, &seed.clinic_id).await? {
            let given = Some(seed.token.clone());
            let change = Change { clinic_id: &seed.clinic_id, kind: CredentialKind::Token, given };
            credential::insert(&transaction, keys, &change).await?;
            let details = json!({ "credentials": [CredentialKind::Token.as_str()] });
            note(&transaction, actor, Action::AddClinic, &seed.clinic_id, details).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// Changes a clinic's own settings.
///
/// # Errors
/// The clinic does not exist, a number is too large, or the database failed.
pub async fn configure(
    database: &DatabaseConnection,
    actor: &Actor,
    clinic_id: &str,
    configuration: Configuration,
) -> Result<(), ClinicError> {
    let details = configuration.details();
    let changes = clinic::ActiveModel {
        answer_within_ms: number(configuration.answer_within_ms)?,
        rate_per_minute: number(configuration.rate_per_minute)?,
        rate_burst: number(configuration.rate_burst)?,
        addresses: configuration.addresses.map_or(NotSet, |own| Set(own.own().map(|own| own.to_string()))),
        ..Default::default()
    };
    let transaction = database::begin_write(database).await?;
    require(&transaction, clinic_id).await?;
    if changes.is_changed() {
        let update = clinic::Entity::update_many().set(changes);
        update.filter(clinic::Column::ClinicId.eq(clinic_id)).exec(&transaction).await?;
        note(&transaction, actor, Action::ConfigureClinic, clinic_id, details).await?;
    }
    Ok(transaction.commit().await?)
}

fn number<N: TryInto<i32>>(setting: Option<Setting<N>>) -> Result<ActiveValue<Option<i32>>, ClinicError> {
    let Some(setting) = setting else { return Ok(NotSet) };
    setting.own().map(N::try_into).transpose().map(Set).map_err(|_| ClinicError::TooLarge)
}

/// Disables a clinic: its requests are refused from now on.
///
/// # Errors
/// The clinic does not exist, or the database failed.
pub async fn disable(
    database: &DatabaseConnection,
    actor: &Actor,
    clinic_id: &str,
) -> Result<(), ClinicError> {
    let transaction = database::begin_write(database).await?;
    require(&transaction, clinic_id).await?;
    let disabled = clinic::Entity::update_many()
        .col_expr(clinic::Column::DisabledAt, Expr::value(clock::now()))
        .filter(clinic::Column::ClinicId.eq(clinic_id))
        .filter(clinic::Column::DisabledAt.is_null())
        .exec(&transaction)
        .await?;
    if disabled.rows_affected > 0 {
        note(&transaction, actor, Action::DisableClinic, clinic_id, json!({})).await?;
    }
    Ok(transaction.commit().await?)
}

/// Lists every clinic, by name.
///
/// # Errors
/// The database's own error.
pub async fn list(database: &DatabaseConnection) -> Result<Vec<Summary>, DbErr> {
    let now = clock::now();
    let credentials = clinic_credential::Entity::find().all(database).await?;
    let valid = |clinic_id: &str| {
        let count_valid = |kind: CredentialKind| {
            let own =
                credentials.iter().filter(|one| one.clinic_id == clinic_id && one.kind == kind.as_str());
            (kind, own.filter(|one| one.expires_at.is_none_or(|end| end > now)).count())
        };
        CredentialKind::ALL.map(count_valid).into_iter().filter(|(_, count)| *count > 0).collect()
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

/// The existing clinics of the setting `clinics` whose token there is not valid. A changed token in the settings has
/// no effect, and neither has one that was rotated or whose clinic is disabled.
///
/// # Errors
/// The database's own error.
pub async fn unheeded(database: &DatabaseConnection, seeds: &[ClinicSeed]) -> Result<Vec<String>, DbErr> {
    let mut unheeded = Vec::new();
    for ClinicSeed { clinic_id, token } in seeds {
        use clinic_credential::Column::{ClinicId, Kind, Verifier};
        let Some(known) = clinic::Entity::find_by_id(clinic_id).one(database).await? else { continue };
        let digest = Digest::new(token.expose_secret()).into_text();
        let select = clinic_credential::Entity::find()
            .filter(ClinicId.eq(clinic_id))
            .filter(Kind.eq(CredentialKind::Token.as_str()))
            .filter(Verifier.eq(digest));
        let found = select.one(database).await?;
        let is_valid = found.is_some_and(|found| found.expires_at.is_none_or(|end| end > clock::now()));
        if !is_valid || known.disabled_at.is_some() {
            unheeded.push(clinic_id.clone());
        }
    }
    Ok(unheeded)
}

/// Creates a clinic; `false` if it exists.
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
        created_at: Set(clock::now()),
        ..Default::default()
    };
    let made = clinic::Entity::insert(row)
        .on_conflict(OnConflict::column(clinic::Column::ClinicId).do_nothing().to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(made > 0)
}
