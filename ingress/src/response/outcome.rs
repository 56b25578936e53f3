//! Answers to accepted events: the outcome table of the contract, row by row. An answer must never say more than what has
//! happened.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use careq_shared::clock;
use careq_shared::event::Event;
use careq_shared::event_key::EventKey;
use careq_shared::ids::{self, EventId};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome};
use careq_shared::records::{Kind, Record};
use serde::Serialize;
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::ingress::API;
use crate::prefer::Preference;
use crate::problem::Problem;

/// What an answer repeats of the event.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) event_id: EventId,
    /// Names this delivery, of an event that may be said again.
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

    /// What every answer's `data` begins with.
    pub(crate) fn data(&self) -> Data<'_> {
        Data {
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
        match &self.receipt {
            Some(receipt) => format!("{API}/events/{}?receipt={receipt}", self.event_id),
            None => format!("{API}/events/{}", self.event_id),
        }
    }
}

/// `data` of an answer about one event (API specification, sections 1 to 6). A member that there is nothing to say of is left out.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
pub(crate) struct Data<'answer> {
    pub(crate) id: Uuid,
    pub(crate) careq_id: i64,
    pub(crate) external_id: String,
    pub(crate) event_id: &'answer EventId,
    pub(crate) confirmation_number: Option<&'answer str>,
    pub(crate) sync_status: Option<&'static str>,
    /// The appointment's.
    pub(crate) status: Option<&'answer str>,
    pub(crate) status_url: Option<String>,
}

/// The answer for an event whose result is known.
pub(crate) fn settled(accepted: &Accepted, result: &EventResult) -> Response {
    let response = match &result.outcome {
        Outcome::Created => {
            success(StatusCode::CREATED, &message(accepted.kind, "created"), done(accepted, result, "synced"))
        }
        Outcome::Updated => {
            success(StatusCode::OK, &message(accepted.kind, "updated"), done(accepted, result, "updated"))
        }
        Outcome::Unchanged => {
            let record = accepted.kind.record().title();
            let message = format!("{record} unchanged: what is stored is the same or newer");
            success(StatusCode::OK, &message, unchanged(accepted, result))
        }
        Outcome::Waiting(missing) => {
            let details = outcome::missing_parents(accepted.kind, missing);
            let problem = match accepted.kind {
                Kind::Status | Kind::Cancel => Problem::record_not_found(details),
                Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
                    Problem::validation(details)
                }
            };
            problem.of_event(&accepted.event_id).into_response()
        }
        Outcome::Retrying => queued(accepted),
        Outcome::Failed(failure) => Problem::of_failure(failure).of_event(&accepted.event_id).into_response(),
    };
    if result.replayed { with_header(response, "idempotent-replayed", "true") } else { response }
}

/// 202: the event is ours, its result is not known yet.
pub(crate) fn queued(accepted: &Accepted) -> Response {
    let data =
        Data { sync_status: Some("queued"), status_url: Some(accepted.status_url()), ..accepted.data() };
    let record = accepted.kind.record().title();
    success(StatusCode::ACCEPTED, &format!("{record} accepted; its result will be at status_url"), data)
}

/// The body of every success.
pub(crate) fn success(status: StatusCode, message: &str, data: impl Serialize) -> Response {
    let body = Body { success: true, message, data, timestamp: timestamp() };
    (status, Json(body)).into_response()
}

#[derive(Serialize)]
struct Body<'message, D> {
    success: bool,
    message: &'message str,
    data: D,
    timestamp: String,
}

/// Notes which preference was followed (RFC 7240, 3).
pub(crate) fn with_preference(response: Response, preference: Preference) -> Response {
    match preference.applied() {
        Some(applied) => with_header(response, "preference-applied", &applied),
        None => response,
    }
}

pub(crate) fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

/// Now, as the specification writes it.
pub(crate) fn timestamp() -> String {
    clock::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The word of `sync_status` on the pages.
pub(crate) const fn sync_status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "synced",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Waiting(_) => "waiting",
        Outcome::Retrying => "queued",
        Outcome::Failed(_) => "failed",
    }
}

/// Whether a code is the caller's to mend (409) or ours (500).
pub(crate) const fn failure_status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::DuplicateRecord => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
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

/// Statuses and cancellations answer the appointment's `status` in the place of `sync_status`.
fn done<'answer>(
    accepted: &'answer Accepted,
    result: &'answer EventResult,
    sync_status: &'static str,
) -> Data<'answer> {
    match accepted.kind {
        Kind::Status | Kind::Cancel => {
            Data { status: result.appointment_status.as_deref(), ..accepted.data() }
        }
        _ => Data { sync_status: Some(sync_status), ..accepted.data() },
    }
}

fn unchanged<'answer>(accepted: &'answer Accepted, result: &'answer EventResult) -> Data<'answer> {
    Data { sync_status: Some("unchanged"), ..done(accepted, result, "unchanged") }
}
