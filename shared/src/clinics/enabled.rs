//! The enabled clinics, with the secrets that they must prove. A clinic without a readable signing secret is left
//! out, because its requests could not be verified. An expired secret is still required, and cannot be proved.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _};
use secrecy::SecretString;

use super::kind::CredentialKind;
use crate::clock;
use crate::entities::{clinic, clinic_credential};
use crate::event_key::EventKey;
use crate::networks::Networks;
use crate::seal::{AssociatedData, Seal, Sealed};
use crate::secret::{self, Digest};

/// A clinic that may call, as the ingress caches it. Of every kind of credential that it has, a request must prove
/// one.
#[derive(Debug, Clone)]
pub struct Clinic {
    /// CareQ's name of the clinic.
    pub clinic_id: String,
    /// Its secret for ids and digests.
    pub event_key: EventKey,
    /// The timeout of a response's wait for its result, in milliseconds; `None` if the settings apply.
    pub answer_within_ms: Option<u64>,
    /// The rate limit, in requests per minute; 0 = no limit; `None` if the settings apply.
    pub rate_per_minute: Option<u32>,
    /// The burst limit, in requests; `None` if the settings apply.
    pub rate_burst: Option<u32>,
    /// The allowed source networks; an empty list allows all.
    pub addresses: Networks,
    /// The bearer tokens.
    pub tokens: Vec<Credential<Digest>>,
    /// `X-API-Key`
    pub api_keys: Vec<Credential<Digest>>,
    /// `X-Webhook-Secret`
    pub webhook_secrets: Vec<Credential<Digest>>,
    /// The keys of `X-CareQ-Signature`.
    pub signing_secrets: Vec<Credential<SecretString>>,
}

/// One of the secrets that are valid at the same time.
#[derive(Debug, Clone)]
pub struct Credential<T> {
    /// The value that a proof is checked against.
    pub verifier: T,
    /// The end of the overlap after a rotation.
    pub expires_at: Option<DateTime<Utc>>,
}

impl<T> Credential<T> {
    /// Whether the secret is valid at this time.
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// The clinics that could be read, and the failures.
#[derive(Debug, Clone, Default)]
pub struct Enabled {
    /// The clinics that may call.
    pub clinics: Vec<Clinic>,
    /// The failures of enabled clinics.
    pub troubles: Vec<Trouble>,
}

/// A failure that an operator should repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The clinic.
    pub clinic_id: String,
    /// Whether the clinic is left out.
    pub is_refused: bool,
    /// The reason, for a person.
    pub reason: String,
}

/// Reads all clinics that are not disabled.
///
/// # Errors
/// The database's own error.
pub async fn enabled(database: &DatabaseConnection, seal: &Seal) -> Result<Enabled, DbErr> {
    let rows = clinic::Entity::find().filter(clinic::Column::DisabledAt.is_null()).all(database).await?;
    let mut credentials: HashMap<String, Vec<clinic_credential::Model>> = HashMap::new();
    for row in clinic_credential::Entity::find().all(database).await? {
        credentials.entry(row.clinic_id.clone()).or_default().push(row);
    }
    let now = clock::now();
    let mut enabled = Enabled::default();
    for row in rows {
        let own = credentials.remove(&row.clinic_id).unwrap_or_default();
        let clinic_id = row.clinic_id.clone();
        let trouble = |is_refused, reason| Trouble { clinic_id: clinic_id.clone(), is_refused, reason };
        let (signing_secrets, unopened) = signing_secrets(&own, seal, now);
        let one_counts = signing_secrets.iter().any(|secret| secret.is_current(now));
        let is_unsigned = !unopened.is_empty() && !one_counts;
        enabled.troubles.extend(unopened.into_iter().map(|reason| trouble(is_unsigned, reason)));
        if is_unsigned {
            continue;
        }
        match clinic(row, &own, signing_secrets, seal) {
            Ok(clinic) => enabled.clinics.push(clinic),
            Err(reason) => enabled.troubles.push(trouble(true, reason)),
        }
    }
    Ok(enabled)
}

fn clinic(
    row: clinic::Model,
    own: &[clinic_credential::Model],
    signing_secrets: Vec<Credential<SecretString>>,
    seal: &Seal,
) -> Result<Clinic, String> {
    let event_key = EventKey::open(seal, &row.clinic_id, &Sealed::stored_bytes(&row.event_key))
        .map_err(|reason| format!("its event key cannot be opened: {reason}"))?;
    let addresses = row.addresses.as_deref().map(str::parse::<Networks>).transpose();
    let addresses = addresses.map_err(|_| damaged("list of networks"))?.unwrap_or_default();
    Ok(Clinic {
        event_key,
        answer_within_ms: number(row.answer_within_ms, "answer_within_ms")?,
        rate_per_minute: number(row.rate_per_minute, "rate_per_minute")?,
        rate_burst: number(row.rate_burst, "rate_burst")?,
        addresses,
        tokens: digests(own, CredentialKind::Token),
        api_keys: digests(own, CredentialKind::ApiKey),
        webhook_secrets: digests(own, CredentialKind::WebhookSecret),
        signing_secrets,
        clinic_id: row.clinic_id,
    })
}

/// A number of the clinic's own; `None` if the settings apply.
fn number<N: TryFrom<i32>>(stored: Option<i32>, name: &str) -> Result<Option<N>, String> {
    stored.map(|stored| N::try_from(stored).map_err(|_| damaged(name))).transpose()
}

fn damaged(name: &str) -> String {
    format!("its {name} is damaged; `careq-sync clinic configure` sets a new one")
}

fn rows_of_kind(
    own: &[clinic_credential::Model],
    kind: CredentialKind,
) -> impl Iterator<Item = &clinic_credential::Model> {
    own.iter().filter(move |row| row.kind == kind.as_str())
}

fn digests(own: &[clinic_credential::Model], kind: CredentialKind) -> Vec<Credential<Digest>> {
    let digest = |row: &clinic_credential::Model| Credential {
        verifier: Digest::stored(row.verifier.clone()),
        expires_at: row.expires_at,
    };
    rows_of_kind(own, kind).map(digest).collect()
}

/// The signing secrets that open, and the reasons for the others. An expired secret is not opened: a random one takes
/// its place, which cannot be proved.
fn signing_secrets(
    own: &[clinic_credential::Model],
    seal: &Seal,
    now: DateTime<Utc>,
) -> (Vec<Credential<SecretString>>, Vec<String>) {
    let mut secrets = Vec::new();
    let mut unopened = Vec::new();
    for row in rows_of_kind(own, CredentialKind::SigningSecret) {
        let has_expired = row.expires_at.is_some_and(|end| end <= now);
        let opened = if has_expired { Ok(secret::random("")) } else { signing_secret(row, seal) };
        match opened {
            Ok(verifier) => secrets.push(Credential { verifier, expires_at: row.expires_at }),
            Err(reason) => unopened.push(reason),
        }
    }
    (secrets, unopened)
}

fn signing_secret(row: &clinic_credential::Model, seal: &Seal) -> Result<SecretString, String> {
    let sealed = Sealed::stored(row.verifier.clone());
    let secret = seal.open(AssociatedData::signing_secret(&row.id.to_string()), &sealed);
    let secret = secret.map_err(|reason| format!("its signing secret cannot be opened: {reason}"))?;
    let secret = String::from_utf8(secret).map_err(|_| "its signing secret is damaged".to_owned())?;
    Ok(secret.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use uuid::Uuid;

    use super::*;
    use crate::config;
    use crate::seal;

    fn any_seal() -> Seal {
        let keys = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned();
        seal::open(&config::load(None, [("CAREQ_SEAL_KEYS".to_owned(), keys)]).unwrap()).unwrap()
    }

    /// An empty key could be used by anyone, if the clock were set back.
    #[test]
    fn an_expired_signing_secret_is_replaced_by_a_random_one() {
        let row = clinic_credential::Model {
            id: Uuid::nil(),
            clinic_id: "clinic".to_owned(),
            kind: CredentialKind::SigningSecret.as_str().to_owned(),
            verifier: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            expires_at: Some(DateTime::UNIX_EPOCH),
        };
        let (secrets, unopened) = signing_secrets(&[row], &any_seal(), clock::now());
        assert!(unopened.is_empty() && !secrets[0].is_current(clock::now()));
        assert!(secrets[0].verifier.expose_secret().len() > 32);
    }

    #[test]
    fn a_setting_that_no_clinic_can_have_is_an_error() {
        assert_eq!(number::<u32>(Some(7), "rate_burst"), Ok(Some(7)));
        assert_eq!(number::<u32>(None, "rate_burst"), Ok(None));
        assert!(number::<u32>(Some(-1), "rate_burst").unwrap_err().contains("rate_burst is damaged"));
    }
}
