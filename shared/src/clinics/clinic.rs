//! A clinic that may call, and the secrets that its requests must prove.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::event_key::EventKey;
use crate::networks::Networks;
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
