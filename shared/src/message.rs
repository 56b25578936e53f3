//! What travels through the broker: accepted events one way, their results the other. A message must be readable by the
//! version before and the version after it, since queues outlive processes: fields may be added, never renamed.

use std::io;

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
    /// Where the result is awaited, if it is.
    pub reply_to: Option<ReplyTo>,
    /// What was accepted.
    pub content: Content,
}

/// The ingress that waits, and the request for which it does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The ingress's mailbox.
    pub mailbox: String,
    /// The request within that ingress.
    pub request: u64,
}

/// A single event, or a batch that is accepted whole or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// One webhook.
    Event(Box<Event>),
    /// One `POST /batch`.
    Batch(Batch),
    /// Some dead letters of one replay job.
    Replay(Replay),
}

/// Dead letters that are under way again. Each event keeps the identity that it was accepted with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The job. A letter that is no longer under way in it has had its outcome: this is a copy then, and changes nothing.
    pub job_id: Uuid,
    /// The events of its letters.
    pub events: Vec<Event>,
}

/// A batch as CareQ sent it, each record validated by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The authenticated clinic.
    pub clinic_id: String,
    /// CareQ's name of the batch.
    pub batch_id: String,
    /// Digest of the canonical body under the clinic's [`EventKey`](crate::event_key::EventKey): tells a `batch_id` that is
    /// reused with other content.
    pub content_digest: String,
    /// When the ingress accepted it.
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
    /// A record that did not; it does not hold back the others.
    Refused(RefusedEntry),
}

impl Batch {
    /// What is kept of the batch, so that its report can be given at any time.
    #[must_use]
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
    /// Refused at the door.
    Refused(RefusedEntry),
}

/// An accepted record of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedEvent {
    /// The kind of event.
    pub kind: Kind,
    /// CareQ's identifier of the record.
    pub careq_id: i64,
    /// The event's public id.
    pub event_id: EventId,
    /// See [`Event::may_come_again`].
    #[serde(default)]
    pub may_come_again: bool,
}

/// Why a record of a batch was refused. It must never hold the record itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// The `type` as sent, if it was a known one.
    pub kind: Option<String>,
    /// The `careq_id`, if it was readable.
    pub careq_id: Option<i64>,
    /// The specification's code.
    pub code: crate::outcome::ErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// Messages by field.
    pub details: FieldErrors,
}

/// The results of one worker batch for one ingress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// One for each request that waits.
    pub requests: Vec<RequestResult>,
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestResult {
    /// See [`ReplyTo::request`].
    pub request: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a request.
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

/// A message that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the message is not one that this version of careq-sync can read")]
pub struct Undecodable(#[source] serde_json::Error);

/// The bytes of a message.
///
/// # Errors
/// Never for the types of this module; the error is passed on rather than assumed away.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Undecodable> {
    serde_json::to_vec(message).map_err(Undecodable)
}

/// How many bytes [`encode`] would give.
#[must_use]
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
    // What cannot be written is too large for everything.
    serde_json::to_writer(&mut count, message).map_or(usize::MAX, |()| count.0)
}

/// Why a message was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It has more than [`MAX_MESSAGE_BYTES`].
    #[error("the message is larger than {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// Never for the types of this module.
    #[error("the message cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

/// The bytes of a message that is made of a body of so many bytes, if a broker takes as many. A message has at most the bytes of the
/// body, and 4 KiB for each record: texts are written with no more escapes than they were sent with, and JSON in `prescription` as JSON.
///
/// # Errors
/// It is too large.
pub fn encode_within_limit(message: &Message, body_bytes: usize) -> Result<Vec<u8>, EncodeError> {
    let records = if let Content::Batch(batch) = &message.content { batch.entries.len() } else { 1 };
    // What a record usually has besides what was sent of it; as few copies as can be are made of a large one while it grows.
    let usual = body_bytes.saturating_add(records.saturating_mul(1_024));
    let mut limited = Limited(Vec::with_capacity(usual.min(MAX_MESSAGE_BYTES)));
    match serde_json::to_writer(&mut limited, message) {
        Ok(()) => Ok(limited.0),
        Err(fault) if fault.is_io() => Err(EncodeError::TooLarge),
        Err(fault) => Err(EncodeError::Unwritable(fault)),
    }
}

/// Bytes, up to [`MAX_MESSAGE_BYTES`].
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_MESSAGE_BYTES - self.0.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The message that bytes stand for.
///
/// # Errors
/// The bytes are no such message.
pub fn decode<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, Undecodable> {
    serde_json::from_slice(bytes).map_err(Undecodable)
}
