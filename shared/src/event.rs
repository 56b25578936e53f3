//! An accepted event and its version. Its record has passed the field rules, and its timestamps come from the ingress
//! that accepted it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event_key::EventKey;
use crate::ids::{self, EventId, EventSource};
use crate::records::{Identified, Kind, Record};

/// The identity of a request. Two requests with the same key are duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdempotencyKey {
    /// The key that CareQ sent in `Idempotency-Key`.
    Sent(String),
    /// Kind and number of the record, then the digest of clinic, kind and canonical body. Records arrive in the order
    /// of their numbers, and so do these keys. A burst therefore touches adjacent pages of the ledger's index.
    Derived(String),
}

impl IdempotencyKey {
    /// The key as the ledger stores it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sent(key) | Self::Derived(key) => key,
        }
    }
}

/// An event that the ingress has accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The public id.
    pub event_id: EventId,
    /// The authenticated clinic, which the body names too.
    pub clinic_id: String,
    /// CareQ's identifier of the changed record.
    pub careq_id: i64,
    /// Sent or derived.
    pub idempotency_key: IdempotencyKey,
    /// The digest of clinic, kind and canonical body under the clinic's [`EventKey`]. It detects a key that is reused
    /// with other content.
    pub content_digest: String,
    /// The time of acceptance, in whole microseconds.
    pub accepted_at: DateTime<Utc>,
    /// The change.
    pub record: Record,
}

impl Event {
    /// Makes an event from a validated record.
    pub fn accept(identified: Identified, origin: Origin<'_>) -> Self {
        let Identified { clinic_id, careq_id, record } = identified;
        let kind = record.kind();
        let content = [clinic_id.as_bytes(), kind.as_str().as_bytes(), origin.canonical_body.as_bytes()];
        let content_digest = origin.event_key.content_digest(&content);
        let idempotency_key = origin.idempotency_key.map_or_else(
            || IdempotencyKey::Derived(format!("{}/{careq_id}/hmac-sha256:{content_digest}", kind.as_str())),
            IdempotencyKey::Sent,
        );
        let source = EventSource {
            clinic_id: &clinic_id,
            idempotency_key: idempotency_key.as_str(),
            content_digest: &content_digest,
            kind,
            careq_id,
        };
        let event_id = EventId::issue(origin.event_key, &source);
        Self {
            event_id,
            clinic_id,
            careq_id,
            idempotency_key,
            content_digest,
            accepted_at: origin.accepted_at,
            record,
        }
    }

    /// The kind of the event.
    pub fn kind(&self) -> Kind {
        self.record.kind()
    }

    /// The id of the row that it changes.
    pub fn record_id(&self) -> Uuid {
        ids::record_id(&self.clinic_id, self.kind().record(), self.careq_id)
    }

    /// The version that the event gives to its record.
    pub fn version(&self) -> Version {
        Version {
            stamp: self.record.stamp().unwrap_or(self.accepted_at),
            accepted_at: self.accepted_at,
            event_id: self.event_id.as_str().to_owned(),
        }
    }

    /// Whether a repeated request may be a new event: only if it has neither a key nor a timestamp of its own. The
    /// sequence A, B, A without any `updated_at` ends in A.
    pub fn may_come_again(&self) -> bool {
        matches!(self.idempotency_key, IdempotencyKey::Derived(_)) && self.record.stamp().is_none()
    }
}

/// The origin of an event.
#[derive(Debug)]
pub struct Origin<'request> {
    /// The clinic's secret for ids and digests.
    pub event_key: &'request EventKey,
    /// The `Idempotency-Key` header, if it was sent.
    pub idempotency_key: Option<String>,
    /// The body in its canonical spelling, see [`crate::canonical`].
    pub canonical_body: &'request str,
    /// The ingress's timestamp.
    pub accepted_at: DateTime<Utc>,
}

/// A version. The newer one wins: first by CareQ's timestamp (or the acceptance), then by the acceptance, then by the
/// id. The order is total, so any set of events has one newest event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// `updated_at` or `cancelled_at`, else `accepted_at`.
    pub stamp: DateTime<Utc>,
    /// The time of acceptance.
    pub accepted_at: DateTime<Utc>,
    /// The tie-breaker of two events in the same microsecond.
    pub event_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;
    use crate::records::{self, Limits};
    use serde_json::json;

    fn accepted(key: u8) -> Event {
        let body = json!({
            "careq_id": 1, "clinic_id": "clinic_a", "first_name": "Asha", "last_name": "Rao",
            "phone_number": "9876543210", "email": "asha@example.com", "aadhar_number": "1234-5678-9012"
        });
        let origin = Origin {
            event_key: &EventKey::new([key; 32]),
            idempotency_key: None,
            canonical_body: &body.to_string(),
            accepted_at: DateTime::UNIX_EPOCH,
        };
        let document = Document::parse(body.to_string().as_bytes()).unwrap();
        let fields = document.object();
        let identified = records::read(Kind::Patient, &fields, Limits::NONE, origin.accepted_at).unwrap();
        Event::accept(identified, origin)
    }

    /// An attacker with a copy of the tables cannot guess a request by trial.
    #[test]
    fn nothing_that_is_derived_from_a_body_can_be_derived_without_the_clinics_key() {
        let (one, other) = (accepted(1), accepted(2));
        assert_eq!(one, accepted(1), "a request sent again is the same event");
        assert_ne!(one.content_digest, other.content_digest);
        assert_ne!(one.idempotency_key, other.idempotency_key);
        // `evt_`, then 9 bytes of kind and careq_id in 12 characters: the rest depends on the content.
        let derived = |event: &Event| event.event_id.as_str().split_at(16).1.to_owned();
        assert_ne!(derived(&one).split_at(21).0, derived(&other).split_at(21).0, "the digest in the middle");
    }
}
