//! A history: the accepted requests, and the messages that carry them to the workers.

use careq_shared::broker::Delivery;
use careq_shared::event::Event;
use careq_shared::message::{self, Batch, Content, Entry, Message, RefusedEntry};
use careq_shared::outcome::ErrorCode;
use careq_shared::records::{FieldErrors, Kind};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::world::{Record, Request, hour};
use crate::harness::{accept_with_key, deliver};

/// One acceptance of one record.
#[derive(Debug, Clone)]
pub(super) struct AcceptedRecord {
    pub(super) id: String,
    pub(super) clinic: String,
    pub(super) kind: Kind,
    pub(super) careq_id: i64,
    /// The key of the event in the ledger.
    pub(super) key: String,
    pub(super) body: Value,
    pub(super) accepted_at: DateTime<Utc>,
    /// Whether the event has neither an idempotency key nor a time stamp.
    pub(super) may_come_again: bool,
}

/// One delivery of a batch. An invalid record is `None`, because the ingress refused it.
#[derive(Debug, Clone)]
pub(super) struct AcceptedBatch {
    pub(super) clinic: String,
    pub(super) id: String,
    pub(super) content: String,
    pub(super) accepted_at: DateTime<Utc>,
    pub(super) records: Vec<Option<AcceptedRecord>>,
}

/// All accepted requests.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) webhooks: Vec<AcceptedRecord>,
    pub(super) batches: Vec<AcceptedBatch>,
    pub(super) deliveries: Vec<Delivery>,
}

impl History {
    /// The history of requests that are accepted one second apart.
    pub(super) fn from_requests(requests: &[Request]) -> Self {
        let mut history = Self::default();
        for (place, second) in (0..requests.len()).zip(0..) {
            let mut request = &requests[place];
            // A repeated request may itself be a repetition; the first one is not.
            for before in (0..=place).rev() {
                let Request::Again(which) = request else { break };
                if before == 0 {
                    break;
                }
                request = &requests[which.index(before)];
            }
            history.accept(request, hour(2) + TimeDelta::seconds(second));
        }
        history
    }

    fn accept(&mut self, request: &Request, at: DateTime<Utc>) {
        match request {
            Request::Again(_) => {}
            Request::Webhook { clinic, change, key } => {
                let body = change.body(clinic);
                let event = accept_with_key(change.kind, &body, at, *key);
                self.deliveries.push(deliver(&event));
                self.webhooks.push(accepted_record(&event, body));
            }
            Request::Batch { clinic, id, records } => {
                let is_of_a_batch = |kind: Kind| !matches!(kind, Kind::Status | Kind::Cancel);
                let stamps = (0..).map(|place| at + TimeDelta::microseconds(place));
                let before: Vec<_> =
                    self.webhooks.iter().filter(|accepted| accepted.clinic == *clinic).collect();
                let read = records.iter().zip(stamps).map(|(record, at)| {
                    let (kind, body) = match record {
                        Record::Change(change) => (change.kind, change.body(clinic)),
                        Record::SentBefore(which) if !before.is_empty() => {
                            let accepted = which.get(&before);
                            (accepted.kind, accepted.body.clone())
                        }
                        Record::SentBefore(_) | Record::Invalid => return None,
                    };
                    is_of_a_batch(kind).then(|| (accept_with_key(kind, &body, at, None), body))
                });
                let read: Vec<_> = read.collect();
                self.accept_batch(clinic, id, at, &read);
            }
        }
    }

    fn accept_batch(&mut self, clinic: &str, id: &str, at: DateTime<Utc>, read: &[Option<(Event, Value)>]) {
        let bodies: Vec<_> = read.iter().map(|record| record.as_ref().map(|(_, body)| body)).collect();
        let content =
            super::event_key().content_digest(&[clinic.as_bytes(), json!(bodies).to_string().as_bytes()]);
        let entry = |record: &Option<(Event, Value)>| match record {
            Some((event, _)) => Entry::Accepted(Box::new(event.clone())),
            None => Entry::Refused(RefusedEntry {
                kind: None,
                careq_id: None,
                code: ErrorCode::ValidationError,
                message: "Validation failed".to_owned(),
                details: FieldErrors::new(),
            }),
        };
        let batch = Batch {
            clinic_id: clinic.to_owned(),
            batch_id: id.to_owned(),
            content_digest: content.clone(),
            accepted_at: at,
            entries: read.iter().map(entry).collect(),
        };
        let message = Message { reply_to: None, content: Content::Batch(batch) };
        let body = message::encode(&message).unwrap().into();
        self.deliveries.push(Delivery { body, redeliveries: 0, trace: None });
        let record = |record: &Option<(Event, Value)>| {
            record.as_ref().map(|(event, body)| accepted_record(event, body.clone()))
        };
        self.batches.push(AcceptedBatch {
            clinic: clinic.to_owned(),
            id: id.to_owned(),
            content,
            accepted_at: at,
            records: read.iter().map(record).collect(),
        });
    }
}

fn accepted_record(event: &Event, body: Value) -> AcceptedRecord {
    AcceptedRecord {
        id: event.event_id.to_string(),
        clinic: event.clinic_id.clone(),
        kind: event.kind(),
        careq_id: event.careq_id,
        key: event.idempotency_key.as_str().to_owned(),
        accepted_at: event.accepted_at,
        may_come_again: body.get("updated_at").or_else(|| body.get("cancelled_at")).is_none()
            && event.idempotency_key.as_str().contains('/'),
        body,
    }
}
