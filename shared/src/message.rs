//! The messages of the broker: accepted events, and their results. Queues outlive processes, so the versions before
//! and after must be able to read a message: fields may be added, but not renamed.

use std::io;

use bytes::BufMut as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::broker::port::MAX_MESSAGE_BYTES;
use crate::event::Event;
use crate::ids::EventId;
use crate::outcome::EventResult;
use crate::records::{FieldErrors, Kind};

/// One message of the queues `{prefix}.live` and `{prefix}.bulk`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The destination of the result, if a request waits for it.
    pub reply_to: Option<ReplyTo>,
    /// The accepted content.
    pub content: Content,
}

/// The ingress and the request that wait for a result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The ingress's mailbox.
    pub mailbox: String,
    /// The number of the request within that ingress.
    pub request: u64,
}

/// A single event, or a batch that is accepted as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// One webhook.
    Event(Box<Event>),
    /// One `POST /batch`.
    Batch(Batch),
    /// Dead letters of one replay job.
    Replay(Replay),
}

/// Dead letters that are replayed. Each event keeps its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The job. A letter that the job has already settled is a duplicate, and is ignored.
    pub job_id: Uuid,
    /// The events of the letters.
    pub events: Vec<Event>,
}

/// A batch as CareQ sent it. Each record is validated by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The authenticated clinic.
    pub clinic_id: String,
    /// CareQ's name of the batch.
    pub batch_id: String,
    /// The digest of the canonical body under the clinic's [`EventKey`](crate::event_key::EventKey). It detects a
    /// `batch_id` that is reused with other content.
    pub content_digest: String,
    /// The time of acceptance.
    pub accepted_at: DateTime<Utc>,
    /// The records in the order sent.
    pub entries: Vec<Entry>,
}

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A record that passed the field rules.
    Accepted(Box<Event>),
    /// A record that broke a field rule. The other records are not affected.
    Refused(RefusedEntry),
}

impl Batch {
    /// The stored description of the batch, from which its report is made.
    pub fn listing(&self) -> Vec<ListedEntry> {
        let listed = |entry: &Entry| match entry {
            Entry::Refused(refused) => ListedEntry::Refused(refused.clone()),
            Entry::Accepted(event) => ListedEntry::Accepted(ListedEvent {
                kind: event.kind(),
                careq_id: event.careq_id,
                event_id: event.event_id.clone(),
                may_come_again: event.may_come_again(),
            }),
        };
        self.entries.iter().map(listed).collect()
    }
}

/// One record of a batch without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedEntry {
    /// An event with a result of its own.
    Accepted(ListedEvent),
    /// A record that the field rules refused.
    Refused(RefusedEntry),
}

/// An accepted record of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the event")]
pub struct ListedEvent {
    pub kind: Kind,
    pub careq_id: i64,
    pub event_id: EventId,
    /// See [`Event::may_come_again`].
    pub may_come_again: bool,
}

/// The reason why a record of a batch was refused, without the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// The `type` as sent, if it is a known one.
    pub kind: Option<String>,
    /// The `careq_id`, if it is readable.
    pub careq_id: Option<i64>,
    /// The specification's code.
    pub code: crate::outcome::ErrorCode,
    /// A message for a person.
    pub message: String,
    /// Messages by field.
    pub details: FieldErrors,
}

/// The results of one worker batch for one ingress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// One result for each request that waits.
    pub requests: Vec<RequestResult>,
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestResult {
    /// See [`ReplyTo::request`].
    pub request: u64,
    /// The result.
    pub verdict: Verdict,
}

/// The result of a request, by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The result of a single event.
    Event(EventResult),
    /// The results of a batch's accepted records, in the order sent.
    Batch(Vec<EventResult>),
    /// The `batch_id` belongs to a batch with other content.
    BatchConflict,
}

/// The error of a message that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the message is not one that this version of careq-sync can read")]
pub struct Undecodable(#[source] serde_json::Error);

/// Encodes a message.
///
/// # Errors
/// Never for the types of this module.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Undecodable> {
    serde_json::to_vec(message).map_err(Undecodable)
}

/// The number of bytes that [`encode`] would return.
pub fn size<T: Serialize>(message: &T) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A message that cannot be encoded fits into no limit.
    serde_json::to_writer(&mut count, message).map_or(usize::MAX, |()| count.0)
}

/// The reason why a message was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It has more than [`MAX_MESSAGE_BYTES`].
    #[error("the message is larger than {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// Never for the types of this module.
    #[error("the message cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

/// Encodes a message if it fits into [`MAX_MESSAGE_BYTES`]. `body_bytes` is the size of the request's body.
///
/// A message has at most the bytes of the body, and 4 KiB for each record. Texts have no more escapes than they were
/// sent with, and JSON in `prescription` stays JSON.
///
/// # Errors
/// It is too large.
pub fn encode_within_limit(message: &Message, body_bytes: usize) -> Result<Vec<u8>, EncodeError> {
    let records = if let Content::Batch(batch) = &message.content { batch.entries.len() } else { 1 };
    // The usual size of a record beyond its body, and of a seal. It avoids copies of a large message while it grows.
    let usual = body_bytes.saturating_add(records.saturating_mul(1_024)).min(MAX_MESSAGE_BYTES);
    let mut limited = Vec::with_capacity(usual + SEAL_BYTES).limit(MAX_MESSAGE_BYTES).writer();
    match serde_json::to_writer(&mut limited, message) {
        Ok(()) => Ok(limited.into_inner().into_inner()),
        Err(fault) if fault.is_io() => Err(EncodeError::TooLarge),
        Err(fault) => Err(EncodeError::Unwritable(fault)),
    }
}

/// Space for a seal around a message: key id, nonce and tag.
const SEAL_BYTES: usize = 256;

/// Decodes a message.
///
/// # Errors
/// The bytes are no such message.
pub fn decode<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, Undecodable> {
    serde_json::from_slice(bytes).map_err(Undecodable)
}
