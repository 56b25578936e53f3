//! One accepted event and its version. It must never be built from a record that the field rules have not passed, and
//! its stamps must never be given by anyone but the ingress that accepted it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::ids::{EventId, EventKey, EventSource};
use crate::records::{Identified, Kind, Record};

/// What makes two requests the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdempotencyKey {
    /// Sent by CareQ in `Idempotency-Key`: whoever names an event says when two are the same.
    Sent(String),
    /// SHA-256 over clinic, kind and the canonical body.
    Derived(String),
}

impl IdempotencyKey {
    /// The key as the ledger keeps it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sent(key) | Self::Derived(key) => key,
        }
    }
}

/// An event that the ingress has accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its public id.
    pub event_id: EventId,
    /// The authenticated clinic, whose body named the same.
    pub clinic_id: String,
    /// CareQ's identifier of the record that it changes.
    pub careq_id: i64,
    /// Sent or derived.
    pub idempotency_key: IdempotencyKey,
    /// Digest of kind and canonical body, in hexadecimal: tells a key that is reused with other content.
    pub content_sha256: String,
    /// When the ingress accepted it; whole microseconds.
    pub accepted_at: DateTime<Utc>,
    /// The change itself.
    pub record: Record,
}

impl Event {
    /// Makes an event of a validated record.
    #[must_use]
    pub fn accept(identified: Identified, origin: Origin<'_>) -> Self {
        let Identified { clinic_id, careq_id, record } = identified;
        let kind = record.kind();
        let content_sha256 = content_sha256(&clinic_id, kind, origin.canonical_body);
        let idempotency_key = origin.idempotency_key.map_or_else(
            || IdempotencyKey::Derived(format!("sha256:{content_sha256}")),
            IdempotencyKey::Sent,
        );
        let source = EventSource {
            clinic_id: &clinic_id,
            idempotency_key: idempotency_key.as_str(),
            content_sha256: &content_sha256,
            kind,
            careq_id,
        };
        let event_id = EventId::issue(origin.event_key, &source);
        Self {
            event_id,
            clinic_id,
            careq_id,
            idempotency_key,
            content_sha256,
            accepted_at: origin.accepted_at,
            record,
        }
    }

    /// Which of the six kinds it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.record.kind()
    }

    /// The version that it gives to what it changes.
    #[must_use]
    pub fn version(&self) -> Version {
        Version {
            stamp: self.record.stamp().unwrap_or(self.accepted_at),
            accepted_at: self.accepted_at,
            event_id: self.event_id.as_str().to_owned(),
        }
    }

    /// Whether the same request sent again may be a new event: only one that carries neither a key nor a stamp of its
    /// own. A, B, A without any `updated_at` ends in A.
    #[must_use]
    pub fn may_come_again(&self) -> bool {
        matches!(self.idempotency_key, IdempotencyKey::Derived(_)) && self.record.stamp().is_none()
    }
}

/// Where an event comes from.
#[derive(Debug)]
pub struct Origin<'request> {
    /// The key that seals the clinic's event ids.
    pub event_key: &'request EventKey,
    /// The `Idempotency-Key` header, where one was sent.
    pub idempotency_key: Option<String>,
    /// The body in its one spelling, see [`canonical::text`].
    pub canonical_body: &'request str,
    /// The ingress's stamp.
    pub accepted_at: DateTime<Utc>,
}

fn content_sha256(clinic_id: &str, kind: Kind, canonical_body: &str) -> String {
    canonical::sha256_hex(&[clinic_id.as_bytes(), kind.as_str().as_bytes(), canonical_body.as_bytes()])
}

/// Newer wins: CareQ's stamp first (the acceptance where it sent none), then the acceptance, then the id, so that of any
/// set of events one is the newest, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `updated_at` or `cancelled_at`, else `accepted_at`.
    pub stamp: DateTime<Utc>,
    /// When the ingress accepted it.
    pub accepted_at: DateTime<Utc>,
    /// The last resort between two events of the same microsecond.
    pub event_id: String,
}
