//! `GET /events/{event_id}`: the result of an event.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use careq_http::{ApiError, CareqId};
use careq_shared::database::read;
use careq_shared::ids::{self, EventId};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome, Parent};
use careq_shared::records::Kind;
use serde::Serialize;
use serde_with::skip_serializing_none;

use super::query::{self, Receipt, database_error, unreadable};
use super::stored_result;
use crate::authenticate::caller::Verified;
use crate::response::body::{self, ErrorDetail, SyncStatus, success};
use crate::response::error;
use crate::response::outcome::{Accepted, EventData};
use crate::state::Ingress;

pub(crate) async fn handle(
    caller: Verified<Bytes>,
    State(ingress): State<Arc<Ingress>>,
    event_id: Result<Path<EventId>, PathRejection>,
    receipt: Result<Query<Receipt>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Path(event_id) = event_id.map_err(|_| unreadable())?;
    let receipt = query::receipt(receipt)?;
    let clinic = &caller.clinic;
    let subject =
        event_id.open(&clinic.event_key).ok_or_else(|| error::not_found("There is no such event"))?;
    let delivery =
        receipt.as_ref().and_then(|receipt| ids::open_event_receipt(&clinic.event_key, &event_id, receipt));
    let result = || stored_result::of_event(&ingress.database, &clinic.clinic_id, &event_id, delivery);
    let result = read(result).await.map_err(database_error)?;
    let accepted = Accepted {
        event_id,
        receipt: receipt.filter(|_| delivery.is_some()),
        kind: subject.kind,
        clinic_id: clinic.clinic_id.clone(),
        careq_id: subject.careq_id,
        confirmation_number: None,
    };
    let mut page = success(StatusCode::OK, "Event found", page_data(&accepted, result.as_ref()));
    page.extensions_mut().insert(CareqId(accepted.careq_id));
    Ok(page)
}

/// `data` of the page.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
struct PageData<'page> {
    #[serde(flatten)]
    event: EventData<'page>,
    kind: Kind,
    waiting_for: Option<&'page [Parent]>,
    error: Option<ErrorDetail<'page>>,
}

fn page_data<'page>(accepted: &'page Accepted, result: Option<&'page EventResult>) -> PageData<'page> {
    let event = EventData {
        sync_status: Some(result.map_or(SyncStatus::Queued, |result| SyncStatus::from(&result.outcome))),
        status: result.and_then(|result| result.appointment_status.as_deref()),
        status_url: Some(accepted.status_url()),
        ..accepted.data()
    };
    let (waiting_for, error) = match result.map(|result| &result.outcome) {
        Some(Outcome::Waiting(missing)) => {
            (Some(missing.as_slice()), Some(missing_parents(accepted.kind, missing)))
        }
        Some(Outcome::Failed(failure)) => {
            (None, Some(body::error(failure.code, failure.message.as_str())))
        }
        Some(Outcome::Created | Outcome::Updated | Outcome::Unchanged | Outcome::Retrying) | None => {
            (None, None)
        }
    };
    PageData { event, kind: accepted.kind, waiting_for, error }
}

fn missing_parents(kind: Kind, missing: &[Parent]) -> ErrorDetail<'static> {
    let (code, message) = match kind {
        Kind::Status | Kind::Cancel => (ErrorCode::RecordNotFound, "Record not found"),
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => {
            (ErrorCode::ValidationError, "Validation failed")
        }
    };
    let details = Cow::Owned(outcome::missing_parents(kind, missing));
    ErrorDetail { code, message: Cow::Borrowed(message), details }
}
