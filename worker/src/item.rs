//! One event on its way through a worker, and its form as a row of `parked_events`.

use std::sync::Arc;

use careq_shared::entities::parked_event;
use careq_shared::event::Event;
use careq_shared::message::{self, Batch, ReplyTo};
use careq_shared::seal::{AssociatedData, OpenError, Seal};
use chrono::{DateTime, Utc};
use tracing::Span;
use uuid::Uuid;

use crate::db::bounds::InBytes;
use crate::fault::EventFault;

/// One decoded message.
pub(crate) struct Request {
    pub(crate) reply_to: Option<ReplyTo>,
    pub(crate) events: Vec<Arc<Event>>,
    /// Size of the message.
    pub(crate) bytes: usize,
    pub(crate) is_redelivered: bool,
    /// Redelivered so often that one of its events may crash workers: each event is tried alone.
    pub(crate) suspicious: bool,
    pub(crate) batch: Membership,
    /// The replay job that published it.
    pub(crate) replay: Option<Uuid>,
    /// Span in the publisher's trace.
    pub(crate) span: Span,
}

/// Relation of a request to a `POST /batch`.
pub(crate) enum Membership {
    Single,
    Batch(Batch),
    /// The `batch_id` belongs to a batch with other content; no event of this one is applied.
    Conflicting,
    /// The batch could not be registered; its events are dead letters.
    Unregistered,
}

/// One event to be processed.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) event: Arc<Event>,
    /// Size as a message.
    pub(crate) bytes: usize,
    pub(crate) treatment: Treatment,
    /// Position in the batch of requests; `None` for a parked event.
    pub(crate) position: Option<Position>,
    /// The replay job that the event is part of.
    pub(crate) replay: Option<Uuid>,
    /// The broker has delivered it before.
    pub(crate) is_redelivered: bool,
}

impl InBytes for Item {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Where a result is reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) request: usize,
    pub(crate) event: usize,
}

/// How an event is processed.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    Ordinary,
    /// Failed alone with a collision, or with the ledger not queried: one more try with the ledger queried, before a failure is recorded.
    OnceMore,
    /// May crash workers: parked for attempts of its own, each counted before it begins.
    SetApart,
    /// Failed alone: parked for another attempt, or recorded as a dead letter.
    Failed(EventFault),
}

/// Why a parked row gives no event.
pub(crate) enum Unreadable {
    /// It cannot be decrypted. An operator has to restore the key; the event stays parked.
    Sealed(OpenError),
    /// Its bytes are no event.
    Undecodable(Vec<u8>),
}

impl Item {
    /// The event of a parked row.
    pub(crate) fn from_parked(
        seal: &Seal,
        row: &parked_event::Model,
        treatment: Treatment,
    ) -> Result<Self, Unreadable> {
        let place = AssociatedData::parked_event(&row.event_id);
        let bytes = seal.open(place, &row.event).map_err(Unreadable::Sealed)?;
        let Ok(event) = message::decode(&bytes) else { return Err(Unreadable::Undecodable(bytes)) };
        let (event, bytes) = (Arc::new(event), bytes.len());
        Ok(Self { event, bytes, treatment, position: None, replay: None, is_redelivered: false })
    }
}

/// Acceptance of the delivery that a parked row holds; `None` if the row cannot be read.
pub(crate) fn parked_delivery(seal: &Seal, row: &parked_event::Model) -> Option<DateTime<Utc>> {
    Item::from_parked(seal, row, Treatment::Ordinary).ok().map(|item| item.event.accepted_at)
}

/// Whether this delivery replaces that of a parked row: it is later, or the row cannot be read. The content of an event id is always the
/// same.
pub(crate) fn replaces_parked(seal: &Seal, event: &Event, row: &parked_event::Model) -> bool {
    parked_delivery(seal, row).is_none_or(|accepted_at| accepted_at < event.accepted_at)
}

/// An event as the payload of a parked row or a dead letter.
#[expect(
    clippy::expect_used,
    reason = "without its payload an event would be lost: the process must rather end"
)]
pub(crate) fn payload(event: &Event) -> Vec<u8> {
    message::encode(event).expect("an event can be written as JSON")
}

/// A row for an event that is not parked yet, due now.
pub(crate) fn parked_row(seal: &Seal, event: &Event, now: DateTime<Utc>) -> parked_event::Model {
    let place = AssociatedData::parked_event(event.event_id.as_str());
    parked_event::Model {
        event_id: event.event_id.as_str().to_owned(),
        clinic_id: event.clinic_id.clone(),
        kind: event.kind().as_str().to_owned(),
        careq_id: event.careq_id,
        event: seal.seal(place, &payload(event)),
        waiting_kind: None,
        waiting_careq_id: None,
        due_at: now,
        attempts: 0,
        parked_at: now,
        last_message: None,
        tries: None,
    }
}

#[cfg(test)]
mod tests {
    use careq_shared::clock;

    use super::*;
    use crate::transaction::testing::{key, patient, second};

    #[test]
    fn a_parked_row_is_replaced_by_a_later_delivery_or_if_it_cannot_be_read() {
        let (seal, parked) = (key(), patient(1, 5));
        let row = parked_row(&seal, &parked, clock::now());
        let accepted_at = |at| Event { accepted_at: second(at), ..parked.clone() };
        assert!(!replaces_parked(&seal, &accepted_at(4), &row));
        assert!(!replaces_parked(&seal, &parked, &row));
        assert!(replaces_parked(&seal, &accepted_at(6), &row));
        let of_another = parked_row(&seal, &patient(2, 9), clock::now());
        let unreadable = parked_event::Model { event: of_another.event, ..row };
        assert!(replaces_parked(&seal, &accepted_at(4), &unreadable));
    }
}
