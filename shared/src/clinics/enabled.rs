//! The clinics whose requests are taken, with what they have to prove. A clinic whose signing secret cannot be opened must
//! never be let in without one: it is left out.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use secrecy::SecretString;

use super::{Clinic, Credential, CredentialKind, Digest};
use crate::clock;
use crate::entities::{clinic, clinic_credential};
use crate::ids::EventKey;
use crate::networks::Networks;
use crate::seal::{Place, Seal, Sealed};

/// What could be read.
#[derive(Debug, Clone, Default)]
pub struct Enabled {
    /// The clinics that may call.
    pub clinics: Vec<Clinic>,
    /// Clinics that are enabled and yet cannot be let in, each with a sentence that says why.
    pub unusable: Vec<(String, String)>,
}

/// Reads all clinics that are not disabled.
///
/// # Errors
/// The database's own.
pub async fn enabled(database: &DatabaseConnection, seal: &Seal) -> Result<Enabled, DbErr> {
    let rows = clinic::Entity::find().filter(clinic::Column::DisabledAt.is_null()).all(database).await?;
    let mut credentials: HashMap<String, Vec<clinic_credential::Model>> = HashMap::new();
    let now = clock::now();
    for row in clinic_credential::Entity::find().all(database).await? {
        if row.expires_at.is_none_or(|end| end > now) {
            credentials.entry(row.clinic_id.clone()).or_default().push(row);
        }
    }
    let mut enabled = Enabled::default();
    for row in rows {
        let own = credentials.remove(&row.clinic_id).unwrap_or_default();
        let clinic_id = row.clinic_id.clone();
        match clinic(row, &own, seal) {
            Ok(clinic) => enabled.clinics.push(clinic),
            Err(reason) => enabled.unusable.push((clinic_id, reason)),
        }
    }
    Ok(enabled)
}

fn clinic(row: clinic::Model, own: &[clinic_credential::Model], seal: &Seal) -> Result<Clinic, String> {
    let key = <[u8; 32]>::try_from(row.event_key).map_err(|_| "its event key is damaged".to_owned())?;
    let addresses: Networks = row.addresses.unwrap_or_default().parse().map_err(|_| {
        "its list of networks is damaged; `careq-sync clinic configure` sets a new one".to_owned()
    })?;
    Ok(Clinic {
        event_key: EventKey::new(key),
        answer_within_ms: row.answer_within_ms.and_then(|wait| u64::try_from(wait).ok()),
        rate_per_minute: row.rate_per_minute.and_then(|rate| u32::try_from(rate).ok()),
        rate_burst: row.rate_burst.and_then(|burst| u32::try_from(burst).ok()),
        addresses,
        tokens: digests(own, CredentialKind::Token),
        api_keys: digests(own, CredentialKind::ApiKey),
        webhook_secrets: digests(own, CredentialKind::WebhookSecret),
        signing_secrets: signing_secrets(own, seal)?,
        clinic_id: row.clinic_id,
    })
}

fn of_kind(
    own: &[clinic_credential::Model],
    kind: CredentialKind,
) -> impl Iterator<Item = &clinic_credential::Model> {
    own.iter().filter(move |row| row.kind == kind.as_str())
}

fn digests(own: &[clinic_credential::Model], kind: CredentialKind) -> Vec<Credential<Digest>> {
    of_kind(own, kind).map(|row| credential(Digest(row.verifier.clone()), row.expires_at)).collect()
}

fn signing_secrets(
    own: &[clinic_credential::Model],
    seal: &Seal,
) -> Result<Vec<Credential<SecretString>>, String> {
    let opened = of_kind(own, CredentialKind::SigningSecret).map(|row| {
        let sealed = Sealed::stored(row.verifier.clone());
        let secret = seal.open(Place::signing_secret(&row.id.to_string()), &sealed);
        let secret = secret.map_err(|reason| format!("its signing secret cannot be opened: {reason}"))?;
        let secret = String::from_utf8(secret).map_err(|_| "its signing secret is damaged".to_owned())?;
        Ok(credential(secret.into(), row.expires_at))
    });
    opened.collect()
}

fn credential<T>(verifier: T, expires_at: Option<DateTime<Utc>>) -> Credential<T> {
    Credential { verifier, expires_at }
}
