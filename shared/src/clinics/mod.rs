//! Clinics and what they prove themselves with, for the command line that makes them and the ingress that asks for them. A
//! secret is shown once, when it is made; only its digest, or its sealed value, must ever be stored.

mod credential;
mod enabled;
mod manage;

pub use credential::{Change, CredentialKind, rotate, set, unset};
pub use enabled::{Enabled, Trouble, enabled};
pub use manage::{Configuration, Setting, Summary, add, configure, disable, list, seed, unheeded};

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use secrecy::SecretString;

use crate::event_key::EventKey;
use crate::networks::Networks;
use crate::seal::{KeysError, Seal};
use crate::secret::Digest;

/// A clinic that may call, as the ingress keeps it. Of every kind of credential that it has, one is required.
#[derive(Debug, Clone)]
pub struct Clinic {
    /// CareQ's name of it.
    pub clinic_id: String,
    /// Its secret for ids and digests.
    pub event_key: EventKey,
    /// How long its answers may wait for their results, in milliseconds, where that differs from the settings.
    pub answer_within_ms: Option<u64>,
    /// Requests per minute, where that differs from the settings; 0 = no limit.
    pub rate_per_minute: Option<u32>,
    /// Requests at once, where that differs from the settings.
    pub rate_burst: Option<u32>,
    /// Where its requests come from; nothing: from anywhere.
    pub addresses: Networks,
    /// Its bearer tokens.
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
    /// What a proof is checked against.
    pub verifier: T,
    /// After a rotation, the end of the overlap.
    pub expires_at: Option<DateTime<Utc>>,
}

impl<T> Credential<T> {
    /// Whether it is still valid.
    #[must_use]
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Opens the keys of the process; asked only where something is to be sealed.
pub type Keys<'keys> = &'keys (dyn Fn() -> Result<Seal, KeysError> + Sync);

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
    /// The credential is there already.
    #[error("clinic {0} has one already; `careq-sync clinic rotate {0} {1}` gives it a new one")]
    IsSet(String, CredentialKind),
    /// The credential is not there.
    #[error("clinic {0} has none; `careq-sync clinic set {0} {1}` gives it one")]
    IsNotSet(String, CredentialKind),
    /// Every request needs a token.
    #[error(
        "a token is always required (API specification, \"Authentication\"); `clinic disable` refuses all requests"
    )]
    TokenIsRequired,
    /// A token says which clinic calls.
    #[error(
        "another clinic has this token, and a token must be unique per clinic (API specification, \"Authentication\")"
    )]
    TokenIsTaken,
    /// The given secret is too short, or cannot be sent in a header.
    #[error("the given secret must have at least {0} characters, visible ASCII and nothing else")]
    Weak(usize),
    /// The old ones would outlive the calendar.
    #[error("the overlap is too long; an overlap of weeks is already a long one")]
    Overlap,
    /// A secret cannot be sealed.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database's own.
    #[error("the database refused: {0}")]
    Database(#[from] DbErr),
}
