//! `GET /events/{event_id}`: the result of an event.

use std::borrow::Cow;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use careq_http::{ApiError, CareqId};
use careq_shared::database::read;
use careq_shared::ids::{self, EventId};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome, Parent};
use careq_shared::records::Kind;
use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::stored_result;
use super::{Readable, Receipt, database_error};
use crate::authenticate::Verified;
use crate::paths;
use crate::response::error;
use crate::response::outcome::EventIdentity;
use crate::response::{ErrorDetail, SyncStatus, error_detail, success};

/// The result of an event
#[utoipa::path(
    get, path = "/events/{event_id}", operation_id = "event",
    params(
        ("event_id" = String, Path),
        ("receipt" = Option<String>, Query, description = "From the `status_url` of a 202"),
    ),
    responses(
        (status = 200, description = "The event", body = ref("#/components/schemas/EventPage")),
        (status = 404, description = "The id was not issued to this clinic"),
    ),
)]
pub(crate) async fn handle(
    Verified { ingress, clinic, .. }: Verified,
    Readable(Path(event_id)): Readable<Path<EventId>>,
    Readable(Query(Receipt { receipt })): Readable<Query<Receipt>>,
) -> Result<Response, ApiError> {
    let subject =
        event_id.open(&clinic.event_key).ok_or_else(|| error::not_found("There is no such event"))?;
    let delivery =
        receipt.as_ref().and_then(|receipt| ids::open_event_receipt(&clinic.event_key, &event_id, receipt));
    let result = || stored_result::for_event(&ingress.database, &clinic.clinic_id, &event_id, delivery);
    let result = read(result).await.map_err(database_error)?;
    let receipt = receipt.filter(|_| delivery.is_some());
    let (kind, careq_id) = (subject.kind, subject.careq_id);
    let status_url = paths::event_status(&event_id, receipt.as_deref());
    let event = EventIdentity::new(&clinic.clinic_id, kind, careq_id, event_id);
    let (sync_status, status) = match &result {
        Some(EventResult { outcome, appointment_status, .. }) => (outcome.into(), appointment_status.clone()),
        None => (SyncStatus::Queued, None),
    };
    let (waiting_for, error) = match result.map(|result| result.outcome) {
        Some(Outcome::Waiting(missing)) => {
            let error = missing_parents(kind, &missing);
            (Some(missing), Some(error))
        }
        Some(Outcome::Failed(failure)) => (None, Some(error_detail(failure.code, failure.message))),
        Some(Outcome::Created | Outcome::Updated | Outcome::Unchanged | Outcome::Retrying) | None => {
            (None, None)
        }
    };
    let data = EventPage { event, kind, sync_status, status_url, status, waiting_for, error };
    let mut page = success(StatusCode::OK, "Event found", data);
    page.extensions_mut().insert(CareqId(careq_id));
    Ok(page)
}

/// `data` of the page.
#[skip_serializing_none]
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    #[serde(flatten)]
    event: EventIdentity,
    kind: Kind,
    sync_status: SyncStatus,
    /// This page.
    status_url: String,
    /// The appointment's status.
    #[schema(nullable = false)]
    status: Option<String>,
    #[schema(nullable = false)]
    waiting_for: Option<Vec<Parent>>,
    #[schema(nullable = false, inline)]
    error: Option<ErrorDetail<'static>>,
}

fn missing_parents(kind: Kind, missing: &[Parent]) -> ErrorDetail<'static> {
    let (code, message) = match kind {
        Kind::Status | Kind::Cancel => (ErrorCode::RecordNotFound, "Record not found"),
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
            (ErrorCode::ValidationError, "Validation failed")
        }
    };
    ErrorDetail {
        details: Cow::Owned(outcome::missing_parents(kind, missing)),
        ..error_detail(code, message)
    }
}
