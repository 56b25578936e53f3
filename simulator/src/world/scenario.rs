//! Scenarios: requests in the order in which CareQ sends them, with the expected outcome of each event.

use bytes::Bytes;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Outcome that an event must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedOutcome {
    /// The event is applied.
    Applied,
    /// The event's parent never arrives: it waits, and fails after the parent timeout.
    Orphaned,
    /// Exactly one of the scenario's two conflicting events is applied; the other one is a duplicate.
    Conflicting,
}

/// An event and its expected outcome.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) careq_id: i64,
    /// `updated_at` or `cancelled_at`, if the event has one.
    pub(crate) stamp: Option<DateTime<Utc>>,
    /// A JSON object.
    pub(crate) body: Value,
    pub(crate) expected: ExpectedOutcome,
}

/// A request and how it is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) idempotency_key: Option<String>,
    /// Set for a `POST /batch`.
    pub(crate) batch_id: Option<String>,
    /// Empty for a request that must be refused.
    pub(crate) events: Vec<Event>,
    /// Set for a request that must be refused.
    pub(crate) refusal: Option<Refusal>,
    /// The request is sent three times: twice concurrently, and once more at the end of the scenario.
    pub(crate) is_repeated: bool,
    /// The request is sent some time after the scenario's first request.
    pub(crate) is_delayed: bool,
    /// The request is sent after the one before it was acknowledged, and to the same ingress. An ingress guarantees that the
    /// later of two versions without a time stamp is the newer one; several ingresses do not.
    pub(crate) follows: bool,
}

/// Refusal that a request must get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    /// The expected status.
    pub(crate) status: u16,
    /// Kind of the record that must not exist afterwards.
    pub(crate) kind: Kind,
    pub(crate) careq_id: i64,
}

/// Related requests, such as those of one booking, in order.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) requests: Vec<Request>,
}

impl Scenario {
    /// Every event, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.requests.iter().flat_map(|request| &request.events)
    }

    /// The event with this number, if there is one.
    pub(crate) fn event(&self, number: usize) -> Option<&Event> {
        self.events().nth(number)
    }

    /// The number of a request's first event.
    pub(crate) fn first_event_of(&self, request: usize) -> usize {
        self.requests.iter().take(request).map(|request| request.events.len()).sum()
    }
}

impl Request {
    pub(crate) fn webhook(event: Event) -> Self {
        let (path, body) = (path(event.kind), event.body.to_string().into());
        Self { path, body, events: vec![event], ..Self::default() }
    }

    /// A `POST /batch` with these records.
    pub(crate) fn batch(clinic_id: &str, batch_id: String, events: Vec<Event>) -> Self {
        let records: Vec<_> =
            events.iter().map(|event| json!({ "type": event.kind, "data": event.body })).collect();
        let body = json!({ "clinic_id": clinic_id, "batch_id": batch_id, "records": records });
        let body = body.to_string().into();
        Self { path: "/batch", body, batch_id: Some(batch_id), events, ..Self::default() }
    }

    /// A request that must be refused.
    pub(crate) fn poison(refusal: Refusal, body: Bytes) -> Self {
        Self { path: path(refusal.kind), body, refusal: Some(refusal), ..Self::default() }
    }
}

/// Path below the base path (API specification, "API Endpoints Required").
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
