//! A clinic that may call, and the secrets that its requests must prove.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::event_key::EventKey;
use crate::networks::Networks;
use crate::secret::Digest;

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
    #[must_use]
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}
