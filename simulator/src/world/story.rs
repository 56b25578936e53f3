//! What a story is made of: requests in the order in which CareQ would send them, and what each event must come to.

use bytes::Bytes;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// The fields of a body.
pub(crate) type Body = Map<String, Value>;

/// What must become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is applied.
    Applied,
    /// What it refers to never comes: it waits, and fails when the patience is over.
    Orphaned,
    /// Of it and the story's other one exactly one is applied, and the other is a duplicate.
    Twin,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) careq_id: i64,
    /// `updated_at` or `cancelled_at`, unless it has none.
    pub(crate) stamp: Option<DateTime<Utc>>,
    pub(crate) body: Body,
    pub(crate) fate: Fate,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) idempotency_key: Option<String>,
    /// Of a `POST /batch`.
    pub(crate) batch_id: Option<String>,
    /// The events that it carries; none in a request that must be refused.
    pub(crate) events: Vec<Event>,
    /// Of a request that must be refused.
    pub(crate) refusal: Option<Refusal>,
    /// Sent three times: twice at once, and once more at the end of the story.
    pub(crate) is_repeated: bool,
    /// Sent some time after the story's first request.
    pub(crate) is_late: bool,
    /// Sent when the one before has been acknowledged, and to the same ingress: of two versions without a stamp the later one
    /// is the newer, which an ingress promises of its own answers, and of nobody else's.
    pub(crate) follows: bool,
}

/// How a request must be refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    /// The only answer that is right.
    pub(crate) status: u16,
    /// The record that must not be there afterwards.
    pub(crate) kind: Kind,
    pub(crate) careq_id: i64,
}

/// A few requests about the same thing, in order.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) requests: Vec<Request>,
}

impl Story {
    /// Every event with its number within the story.
    pub(crate) fn events(&self) -> impl Iterator<Item = (u16, &Event)> {
        (0..).zip(self.requests.iter().flat_map(|request| &request.events))
    }

    /// The event with this number.
    pub(crate) fn event(&self, number: u16) -> Option<&Event> {
        self.events().nth(usize::from(number)).map(|(_, event)| event)
    }

    /// The number of a request's first event.
    pub(crate) fn first_event_of(&self, request: usize) -> u16 {
        let before = self.requests.iter().take(request).map(|request| request.events.len()).sum::<usize>();
        u16::try_from(before).unwrap_or(u16::MAX)
    }
}

impl Request {
    pub(crate) fn of(event: Event) -> Self {
        let request = Self::plain(path(event.kind), written(&event.body));
        Self { events: vec![event], ..request }
    }

    /// A `POST /batch` with these records.
    pub(crate) fn batch(clinic_id: &str, batch_id: &str, events: Vec<Event>) -> Self {
        let records: Vec<_> =
            events.iter().map(|event| json!({ "type": event.kind, "data": event.body })).collect();
        let body = json!({ "clinic_id": clinic_id, "batch_id": batch_id, "records": records });
        let batch_id = Some(batch_id.to_owned());
        Self { batch_id, events, ..Self::plain("/batch", body.to_string().into()) }
    }

    /// A request that must be refused.
    pub(crate) fn poison(refusal: Refusal, body: Bytes) -> Self {
        Self { refusal: Some(refusal), ..Self::plain(path(refusal.kind), body) }
    }

    fn plain(path: &'static str, body: Bytes) -> Self {
        Self {
            path,
            body,
            idempotency_key: None,
            batch_id: None,
            events: Vec::new(),
            refusal: None,
            is_repeated: false,
            is_late: false,
            follows: false,
        }
    }
}

/// API specification, "API Endpoints Required".
const fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Patient => "/patient",
        Kind::Doctor => "/doctor",
        Kind::Service => "/service",
        Kind::Appointment => "/appointment",
        Kind::Status => "/appointment/status",
        Kind::Cancel => "/appointment/cancel",
    }
}

/// A body as it is sent.
pub(super) fn written(body: &Body) -> Bytes {
    // Names and values of JSON can always be written as JSON.
    serde_json::to_vec(body).unwrap_or_default().into()
}
