//! Answers to accepted events, by the outcome table of the API specification.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use careq_shared::event::Event;
use careq_shared::event_key::EventKey;
use careq_shared::ids::{self, EventId};
use careq_shared::outcome::{EventResult, Outcome};
use careq_shared::records::{Kind, Record};
use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::paths;
use crate::reply::prefer::Preference;
use crate::response::error;
use crate::response::{SyncStatus, success, with_idempotent_replayed};

/// An accepted event.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) event: EventIdentity,
    /// Identifies the delivery, if several deliveries can have the same event id.
    pub(crate) receipt: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) confirmation_number: Option<String>,
}

/// The members of `data` that every answer about one event has (API specification, sections 1 to 6).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct EventIdentity {
    /// The record's id in careq-sync.
    id: Uuid,
    /// CareQ's identifier.
    pub(crate) careq_id: i64,
    /// CareQ's identifier as text.
    external_id: String,
    /// The event's id.
    #[schema(value_type = String)]
    event_id: EventId,
}

impl EventIdentity {
    pub(crate) fn new(clinic_id: &str, kind: Kind, careq_id: i64, event_id: EventId) -> Self {
        let id = ids::record_id(clinic_id, kind.record(), careq_id);
        Self { id, careq_id, external_id: careq_id.to_string(), event_id }
    }
}

impl Accepted {
    pub(crate) fn from_event(event: &Event, key: &EventKey) -> Self {
        let receipt = || ids::event_receipt(key, &event.event_id, event.accepted_at);
        let confirmation_number = match &event.record {
            Record::Appointment(appointment) => {
                Some(ids::confirmation_number(appointment.book_datetime, event.careq_id))
            }
            _ => None,
        };
        let (kind, event_id) = (event.kind(), event.event_id.clone());
        let identity = EventIdentity::new(&event.clinic_id, kind, event.careq_id, event_id);
        let receipt = event.may_come_again().then(receipt);
        Self { event: identity, receipt, kind, confirmation_number }
    }

    pub(crate) fn status_url(&self) -> String {
        paths::event_status(&self.event.event_id, self.receipt.as_deref())
    }
}

/// `data` of an event whose result is known. Statuses and cancellations have the appointment's `status` instead of `sync_status`.
#[skip_serializing_none]
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Settled<'answer> {
    #[serde(flatten)]
    event: &'answer EventIdentity,
    /// For appointments.
    #[schema(nullable = false)]
    confirmation_number: Option<&'answer str>,
    /// `synced`, `updated` or `unchanged`.
    #[schema(nullable = false)]
    sync_status: Option<SyncStatus>,
    /// The appointment's status, for status changes and cancellations.
    #[schema(nullable = false)]
    status: Option<&'answer str>,
}

/// `data` of an event whose result is not known yet.
#[skip_serializing_none]
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queued<'answer> {
    #[serde(flatten)]
    event: &'answer EventIdentity,
    /// For appointments.
    #[schema(nullable = false)]
    confirmation_number: Option<&'answer str>,
    /// `queued`.
    sync_status: SyncStatus,
    /// Where its result will be.
    status_url: String,
}

/// The answer for an event whose result is known.
pub(crate) fn completed(accepted: &Accepted, result: &EventResult) -> Response {
    let event_id = &accepted.event.event_id;
    let response = match &result.outcome {
        Outcome::Created => stored(StatusCode::CREATED, "created", accepted, result),
        Outcome::Updated | Outcome::Unchanged => stored(StatusCode::OK, "updated", accepted, result),
        Outcome::Waiting(missing) => {
            error::missing_parents(accepted.kind, missing).with_event(event_id).into_response()
        }
        Outcome::Retrying => queued(accepted),
        Outcome::Failed(failure) => error::from_failure(failure).with_event(event_id).into_response(),
    };
    if result.replayed { with_idempotent_replayed(response) } else { response }
}

fn stored(status: StatusCode, verb: &str, accepted: &Accepted, result: &EventResult) -> Response {
    let is_unchanged = result.outcome == Outcome::Unchanged;
    let is_status_change = matches!(accepted.kind, Kind::Status | Kind::Cancel);
    let record = accepted.kind.record().title();
    let message = match accepted.kind {
        _ if is_unchanged => format!("{record} unchanged: the stored version is the same or newer"),
        Kind::Status => "Appointment status updated successfully".to_owned(),
        Kind::Cancel => "Appointment cancelled successfully".to_owned(),
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
            format!("{record} {verb} successfully")
        }
    };
    let data = Settled {
        event: &accepted.event,
        confirmation_number: accepted.confirmation_number.as_deref(),
        sync_status: (is_unchanged || !is_status_change).then(|| SyncStatus::from(&result.outcome)),
        status: result.appointment_status.as_deref().filter(|_| is_status_change),
    };
    success(status, &message, data)
}

/// 202: the event is accepted, its result is not known yet.
pub(crate) fn queued(accepted: &Accepted) -> Response {
    let data = Queued {
        event: &accepted.event,
        confirmation_number: accepted.confirmation_number.as_deref(),
        sync_status: SyncStatus::Queued,
        status_url: accepted.status_url(),
    };
    let record = accepted.kind.record().title();
    success(StatusCode::ACCEPTED, &format!("{record} accepted; its result will be at status_url"), data)
}

/// Adds `Preference-Applied` if a preference was followed (RFC 7240, 3).
pub(crate) fn with_preference(mut response: Response, preference: Preference) -> Response {
    if let Some(applied) = preference.applied() {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}
