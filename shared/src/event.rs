//! One accepted event and its version. It must never be built from a record that the field rules have not passed, and
//! its stamps must never be given by anyone but the ingress that accepted it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event_key::EventKey;
use crate::ids::{self, EventId, EventSource};
use crate::records::{Identified, Kind, Record};

/// What makes two requests the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdempotencyKey {
    /// Sent by CareQ in `Idempotency-Key`: whoever names an event says when two are the same.
    Sent(String),
    /// Kind and number of the record, then the digest over clinic, kind and the canonical body. Records come in the order of their
    /// numbers, and so do these keys: in a large ledger, the places of their index that a burst touches lie together.
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
    /// Digest of clinic, kind and canonical body under the clinic's [`EventKey`]: tells a key that is reused with other content.
    pub content_digest: String,
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

    /// Which of the six kinds it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.record.kind()
    }

    /// The id of the row that it changes.
    #[must_use]
    pub fn record_id(&self) -> Uuid {
        ids::record_id(&self.clinic_id, self.kind().record(), self.careq_id)
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
    /// The clinic's secret for ids and digests.
    pub event_key: &'request EventKey,
    /// The `Idempotency-Key` header, where one was sent.
    pub idempotency_key: Option<String>,
    /// The body in its one spelling, see [`crate::canonical`].
    pub canonical_body: &'request str,
    /// The ingress's stamp.
    pub accepted_at: DateTime<Utc>,
}

/// Newer wins: CareQ's stamp first (the acceptance where it sent none), then the acceptance, then the id, so that of any
/// set of events one is the newest, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// `updated_at` or `cancelled_at`, else `accepted_at`.
    pub stamp: DateTime<Utc>,
    /// When the ingress accepted it.
    pub accepted_at: DateTime<Utc>,
    /// The last resort between two events of the same microsecond.
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

    /// So that nobody who has the tables alone can try what a request said, until it fits.
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
