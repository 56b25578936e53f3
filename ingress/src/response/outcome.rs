//! Answers to accepted events, by the outcome table of the API specification.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use careq_shared::event::Event;
use careq_shared::event_key::EventKey;
use careq_shared::ids::{self, EventId};
use careq_shared::outcome::{self, EventResult, Outcome};
use careq_shared::records::{Kind, Record};
use serde::Serialize;
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::paths;
use crate::reply::prefer::Preference;
use crate::response::body::{SyncStatus, success, with_header, with_idempotent_replayed};
use crate::response::error;

/// The identity of an accepted event.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) event_id: EventId,
    /// Identifies the delivery, if several deliveries can have the same event id.
    pub(crate) receipt: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) clinic_id: String,
    pub(crate) careq_id: i64,
    pub(crate) confirmation_number: Option<String>,
}

impl Accepted {
    pub(crate) fn of(event: &Event, key: &EventKey) -> Self {
        let receipt = || ids::event_receipt(key, &event.event_id, event.accepted_at);
        let confirmation_number = match &event.record {
            Record::Appointment(appointment) => {
                Some(ids::confirmation_number(appointment.book_datetime, event.careq_id))
            }
            _ => None,
        };
        Self {
            event_id: event.event_id.clone(),
            receipt: event.may_come_again().then(receipt),
            kind: event.kind(),
            clinic_id: event.clinic_id.clone(),
            careq_id: event.careq_id,
            confirmation_number,
        }
    }

    /// The members of `data` that every answer has.
    pub(crate) fn data(&self) -> EventData<'_> {
        EventData {
            id: ids::record_id(&self.clinic_id, self.kind.record(), self.careq_id),
            careq_id: self.careq_id,
            external_id: self.careq_id.to_string(),
            event_id: &self.event_id,
            confirmation_number: self.confirmation_number.as_deref(),
            sync_status: None,
            status: None,
            status_url: None,
        }
    }

    pub(crate) fn status_url(&self) -> String {
        paths::event_status(&self.event_id, self.receipt.as_deref())
    }
}

/// `data` of an answer about one event (API specification, sections 1 to 6).
#[skip_serializing_none]
#[derive(Debug, Serialize)]
pub(crate) struct EventData<'answer> {
    pub(crate) id: Uuid,
    pub(crate) careq_id: i64,
    pub(crate) external_id: String,
    pub(crate) event_id: &'answer EventId,
    pub(crate) confirmation_number: Option<&'answer str>,
    pub(crate) sync_status: Option<SyncStatus>,
    /// The appointment's status.
    pub(crate) status: Option<&'answer str>,
    pub(crate) status_url: Option<String>,
}

/// The answer for an event whose result is known.
pub(crate) fn completed(accepted: &Accepted, result: &EventResult) -> Response {
    let response = match &result.outcome {
        Outcome::Created => {
            success(StatusCode::CREATED, &message(accepted.kind, "created"), stored(accepted, result))
        }
        Outcome::Updated => {
            success(StatusCode::OK, &message(accepted.kind, "updated"), stored(accepted, result))
        }
        Outcome::Unchanged => {
            let record = accepted.kind.record().title();
            let message = format!("{record} unchanged: the stored version is the same or newer");
            success(StatusCode::OK, &message, unchanged(accepted, result))
        }
        Outcome::Waiting(missing) => {
            let details = outcome::missing_parents(accepted.kind, missing);
            let error = match accepted.kind {
                Kind::Status | Kind::Cancel => error::not_found("Record not found").with_details(details),
                Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => error::validation(details),
            };
            error.with_event(&accepted.event_id).into_response()
        }
        Outcome::Retrying => queued(accepted),
        Outcome::Failed(failure) => {
            error::of_failure(failure).with_event(&accepted.event_id).into_response()
        }
    };
    if result.replayed { with_idempotent_replayed(response) } else { response }
}

/// 202: the event is accepted, its result is not known yet.
pub(crate) fn queued(accepted: &Accepted) -> Response {
    let data = EventData {
        sync_status: Some(SyncStatus::Queued),
        status_url: Some(accepted.status_url()),
        ..accepted.data()
    };
    let record = accepted.kind.record().title();
    success(StatusCode::ACCEPTED, &format!("{record} accepted; its result will be at status_url"), data)
}

/// Adds `Preference-Applied` if a preference was followed (RFC 7240, 3).
pub(crate) fn with_preference(response: Response, preference: Preference) -> Response {
    match preference.applied() {
        Some(applied) => with_header(response, "preference-applied", applied),
        None => response,
    }
}

fn message(kind: Kind, verb: &str) -> String {
    match kind {
        Kind::Status => "Appointment status updated successfully".to_owned(),
        Kind::Cancel => "Appointment cancelled successfully".to_owned(),
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
            format!("{} {verb} successfully", kind.record().title())
        }
    }
}

/// Answers to statuses and cancellations have the appointment's `status` instead of `sync_status`.
fn stored<'answer>(accepted: &'answer Accepted, result: &'answer EventResult) -> EventData<'answer> {
    match accepted.kind {
        Kind::Status | Kind::Cancel => {
            EventData { status: result.appointment_status.as_deref(), ..accepted.data() }
        }
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
            EventData { sync_status: Some(SyncStatus::from(&result.outcome)), ..accepted.data() }
        }
    }
}

fn unchanged<'answer>(accepted: &'answer Accepted, result: &'answer EventResult) -> EventData<'answer> {
    EventData { sync_status: Some(SyncStatus::Unchanged), ..stored(accepted, result) }
}
