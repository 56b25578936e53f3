//! Identifiers that are known before a database stores the record. They depend only on the request, so a repeated
//! request has the same ids.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike as _, Utc};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::canonical;
use crate::event_key::EventKey;
use crate::records::{Kind, RecordKind};

/// The namespace of record ids: UUIDv5 of `careq-sync` in the nil namespace (RFC 9562, 5.5). A change would give
/// every record a new id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6455_5112_110c_5580_bf95_66de_f54b_ba53);

/// The `id` of a record: UUIDv5 of kind, `careq_id` and clinic.
pub fn record_id(clinic_id: &str, kind: RecordKind, careq_id: i64) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}/{careq_id}/{clinic_id}").as_bytes())
}

/// `APPT-{year of booking, UTC}-{careq_id}`.
pub fn confirmation_number(book_datetime: DateTime<Utc>, careq_id: i64) -> String {
    format!("APPT-{}-{careq_id}", book_datetime.year())
}

/// The public id of an event: `evt_` and 44 characters of URL-safe base64 over
/// `kind (1 byte) | careq_id (8) | digest of clinic, key and content (16) | MAC (8)`.
///
/// Kind and `careq_id` let the status page name the record of an event that no worker has stored. The MAC proves that
/// this system issued the id, so the page can answer `queued` without a table of issued ids. The digest covers the
/// content, so a key reused with other content has its own page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

const PREFIX: &str = "evt_";
const BODY_BYTES: usize = 25;
const MAC_BYTES: usize = 8;

impl EventId {
    /// Issues the id of an event of this clinic.
    pub fn issue(key: &EventKey, source: &EventSource<'_>) -> Self {
        let digest = canonical::sha256(&[
            source.clinic_id.as_bytes(),
            source.idempotency_key.as_bytes(),
            source.content_digest.as_bytes(),
        ]);
        let mut bytes = Vec::with_capacity(BODY_BYTES + MAC_BYTES);
        bytes.push(code(source.kind));
        bytes.extend(source.careq_id.to_be_bytes());
        bytes.extend(digest.iter().take(16));
        let mac = key.mac(&bytes).finalize().into_bytes();
        bytes.extend(mac.iter().take(MAC_BYTES));
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The content of an id that was issued under this key; `None` for any other text.
    pub fn open(&self, key: &EventKey) -> Option<EventSubject> {
        let bytes = URL_SAFE_NO_PAD.decode(self.0.strip_prefix(PREFIX)?).ok()?;
        let (body, mac) = bytes.split_at_checked(BODY_BYTES)?;
        if mac.len() != MAC_BYTES {
            return None;
        }
        key.mac(body).verify_truncated_left(mac).ok()?;
        let kind = Kind::ALL.into_iter().find(|kind| Some(&code(*kind)) == body.first())?;
        let careq_id = i64::from_be_bytes(body.get(1..9)?.try_into().ok()?);
        Some(EventSubject { kind, careq_id })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for EventId {
    type Err = std::convert::Infallible;

    /// Accepts any text; [`EventId::open`] verifies it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// The values that an event id is derived from.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct EventSource<'request> {
    pub clinic_id: &'request str,
    pub idempotency_key: &'request str,
    pub content_digest: &'request str,
    pub kind: Kind,
    pub careq_id: i64,
}

/// The record that an event id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct EventSubject {
    pub kind: Kind,
    pub careq_id: i64,
}

/// A receipt for a batch: proof that a batch with this content was accepted before any worker has stored it. It is
/// part of the `status_url` in the response.
///
/// # Panics
/// The digest has fewer than 32 digits: the receipt would name every content.
#[expect(clippy::expect_used, reason = "a receipt without a digest would name every content")]
pub fn batch_receipt(key: &EventKey, batch_id: &str, content_digest: &str) -> String {
    let digest = content_digest.as_bytes().get(..DIGEST_BYTES).expect("a content digest has 64 digits");
    receipt(key, "batch/", batch_id, digest)
}

/// The beginning of the content's digest, if [`batch_receipt`] issued this receipt.
pub fn open_batch_receipt(key: &EventKey, batch_id: &str, receipt: &str) -> Option<String> {
    String::from_utf8(open_receipt(key, "batch/", batch_id, receipt)?).ok()
}

/// A receipt for one delivery of an event that may be repeated. With it, the status page does not report an earlier
/// delivery. It is part of the `status_url`.
pub fn event_receipt(key: &EventKey, event_id: &EventId, accepted_at: DateTime<Utc>) -> String {
    receipt(key, "event/", event_id.as_str(), &accepted_at.timestamp_micros().to_be_bytes())
}

/// The acceptance of the delivery for which [`event_receipt`] issued this receipt; `None` if it did not.
pub fn open_event_receipt(key: &EventKey, event_id: &EventId, receipt: &str) -> Option<DateTime<Utc>> {
    let content = open_receipt(key, "event/", event_id.as_str(), receipt)?;
    DateTime::from_timestamp_micros(i64::from_be_bytes(content.try_into().ok()?))
}

/// The part of a receipt that names the content: half of the 64 hexadecimal digits of its digest.
const DIGEST_BYTES: usize = 32;

const RECEIPT_MAC_BYTES: usize = 16;

/// A MAC over `purpose`, `id` and `content`, followed by `content`. No event id begins with the bytes of a purpose.
fn receipt(key: &EventKey, purpose: &str, id: &str, content: &[u8]) -> String {
    let mac = receipt_mac(key, purpose, id, content).finalize().into_bytes();
    let mac = mac.iter().take(RECEIPT_MAC_BYTES);
    URL_SAFE_NO_PAD.encode(mac.chain(content).copied().collect::<Vec<u8>>())
}

fn open_receipt(key: &EventKey, purpose: &str, id: &str, receipt: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(receipt).ok()?;
    let (mac, content) = bytes.split_at_checked(RECEIPT_MAC_BYTES)?;
    receipt_mac(key, purpose, id, content).verify_truncated_left(mac).ok()?;
    Some(content.to_vec())
}

fn receipt_mac(key: &EventKey, purpose: &str, id: &str, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.mac(purpose.as_bytes());
    canonical::frame(&[id.as_bytes(), content], |piece| mac.update(piece));
    mac
}

const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Patient => b'p',
        Kind::Doctor => b'd',
        Kind::Service => b's',
        Kind::Appointment => b'a',
        Kind::Status => b't',
        Kind::Cancel => b'c',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source<'request>(key: &'request str, content: &'request str) -> EventSource<'request> {
        EventSource {
            clinic_id: "clinic_abc",
            idempotency_key: key,
            content_digest: content,
            kind: Kind::Status,
            careq_id: 10_001,
        }
    }

    #[test]
    fn an_event_id_opens_only_under_the_key_that_issued_it() {
        let key = EventKey::new([7; 32]);
        let id = EventId::issue(&key, &source("k", "c"));
        assert_eq!(id.open(&key), Some(EventSubject { kind: Kind::Status, careq_id: 10_001 }));
        assert_eq!(id.open(&EventKey::new([8; 32])), None);
        assert_eq!(id, EventId::issue(&key, &source("k", "c")));
        assert_ne!(id, EventId::issue(&key, &source("k", "other content")));
    }

    #[test]
    fn an_altered_shortened_or_foreign_text_is_no_id() {
        let key = EventKey::new([7; 32]);
        let id = EventId::issue(&key, &source("k", "c"));
        for position in 0..id.as_str().len() {
            let mut letters: Vec<char> = id.as_str().chars().collect();
            letters[position] = if letters[position] == 'A' { 'B' } else { 'A' };
            let altered: EventId = letters.iter().collect::<String>().parse().unwrap();
            assert_eq!(altered.open(&key), None, "{altered}");
        }
        for text in ["", "evt_", "evt_AAAA", "nonsense", id.as_str().split_at(40).0] {
            assert_eq!(text.parse::<EventId>().unwrap().open(&key), None);
        }
    }

    #[test]
    fn a_receipt_names_one_content_of_a_batch_and_one_delivery_of_an_event() {
        let (key, other) = (EventKey::new([7; 32]), EventKey::new([8; 32]));
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let receipt = batch_receipt(&key, "b", &one);
        assert!(one.starts_with(&open_batch_receipt(&key, "b", &receipt).unwrap()));
        assert!(!two.starts_with(&open_batch_receipt(&key, "b", &receipt).unwrap()));
        assert_eq!(open_batch_receipt(&key, "c", &receipt), None);
        assert_eq!(open_batch_receipt(&other, "b", &receipt), None);
        assert_eq!(open_batch_receipt(&key, "b", "nonsense"), None);
        assert_eq!(open_batch_receipt(&key, "b", ""), None);
        let id = EventId::issue(&key, &source("k", "c"));
        let at = DateTime::from_timestamp_micros(1_750_000_000_000_001).unwrap();
        let receipt = event_receipt(&key, &id, at);
        assert_eq!(open_event_receipt(&key, &id, &receipt), Some(at));
        assert_eq!(open_event_receipt(&key, &EventId::issue(&key, &source("l", "c")), &receipt), None);
        assert_eq!(open_event_receipt(&other, &id, &receipt), None);
        assert_eq!(open_event_receipt(&key, &id, &batch_receipt(&key, id.as_str(), &one)), None);
    }

    #[test]
    fn record_ids_differ_by_clinic_kind_and_number() {
        let id = record_id("a", RecordKind::Patient, 1);
        assert_eq!(id, record_id("a", RecordKind::Patient, 1));
        assert_ne!(id, record_id("b", RecordKind::Patient, 1));
        assert_ne!(id, record_id("a", RecordKind::Doctor, 1));
        assert_ne!(id, record_id("a", RecordKind::Patient, 2));
    }
}
