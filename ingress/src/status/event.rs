//! The status pages and `health`. A clinic must never see another's; a page must never say "queued" of something that was
//! not accepted.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::CareqId;
use careq_shared::database::read;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{appointment, batch, dead_letter, doctor, parked_event, patient, service};
use careq_shared::ids::{self, EventId};
use careq_shared::message::ListedEntry;
use careq_shared::outcome::{self, ErrorCode, EventResult, Failure, Outcome, Parent};
use careq_shared::records::{FieldErrors, Kind, RecordKind};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use serde_with::skip_serializing_none;

use crate::answer::{self, Accepted, Data, success, sync_status};
use crate::authenticate::Verified;
use crate::ingress::{API, Ingress};
use crate::problem::Problem;
use crate::{known, report};

/// `GET /health` (API specification, section 8).
pub(crate) async fn health(
    State(ingress): State<Arc<Ingress>>,
    Extension(_): Extension<Verified<Bytes>>,
) -> Response {
    if !ingress.is_ready() {
        return Problem::unavailable().into_response();
    }
    Json(json!({
        "success": true,
        "status": "operational",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": answer::timestamp(),
    }))
    .into_response()
}

/// `GET /events/{event_id}`
pub(crate) async fn event(
    State(ingress): State<Arc<Ingress>>,
    Extension(caller): Extension<Verified<Bytes>>,
    event_id: Result<Path<EventId>, PathRejection>,
    receipt: Result<Query<Receipt>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(event_id) = event_id.map_err(|_| unreadable())?;
    let Query(Receipt { receipt }) = receipt.map_err(|_| unreadable())?;
    let clinic = &caller.clinic;
    let subject =
        event_id.open(&clinic.event_key).ok_or_else(|| Problem::no_such("There is no such event"))?;
    let delivery =
        receipt.as_ref().and_then(|receipt| ids::open_event_receipt(&clinic.event_key, &event_id, receipt));
    let known = || known::of_event(&ingress.database, &clinic.clinic_id, &event_id, delivery);
    let result = read(known).await.map_err(no_database)?;
    let accepted = Accepted {
        event_id,
        receipt: receipt.filter(|_| delivery.is_some()),
        kind: subject.kind,
        clinic_id: clinic.clinic_id.clone(),
        careq_id: subject.careq_id,
        confirmation_number: None,
    };
    let mut page = success(StatusCode::OK, "Event found", event_data(&accepted, result.as_ref()));
    page.extensions_mut().insert(CareqId(accepted.careq_id));
    Ok(page)
}

/// `data` of the page of an event.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
struct EventData<'page> {
    #[serde(flatten)]
    answer: Data<'page>,
    kind: Kind,
    waiting_for: Option<&'page [Parent]>,
    error: Option<EventError<'page>>,
}

/// Why an event waits, or has failed.
#[derive(Debug, Serialize)]
struct EventError<'page> {
    code: ErrorCode,
    message: &'page str,
    details: FieldErrors,
}

fn event_data<'page>(accepted: &'page Accepted, result: Option<&'page EventResult>) -> EventData<'page> {
    let answer = Data {
        sync_status: Some(result.map_or("queued", |result| sync_status(&result.outcome))),
        status: result.and_then(|result| result.appointment_status.as_deref()),
        status_url: Some(accepted.status_url()),
        ..accepted.data()
    };
    let (waiting_for, error) = match result.map(|result| &result.outcome) {
        Some(Outcome::Waiting(missing)) => (Some(missing.as_slice()), Some(waits(accepted.kind, missing))),
        Some(Outcome::Failed(Failure { code, message })) => {
            (None, Some(EventError { code: *code, message, details: FieldErrors::new() }))
        }
        _ => (None, None),
    };
    EventData { answer, kind: accepted.kind, waiting_for, error }
}

fn waits(kind: Kind, missing: &[Parent]) -> EventError<'static> {
    let (code, message) = match kind {
        Kind::Status | Kind::Cancel => (ErrorCode::RecordNotFound, "Record not found"),
        _ => (ErrorCode::ValidationError, "Validation failed"),
    };
    EventError { code, message, details: outcome::missing_parents(kind, missing) }
}

/// Which delivery is asked about, see [`ids::batch_receipt`] and [`ids::event_receipt`].
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    receipt: Option<String>,
}

/// `GET /batch/{batch_id}`
pub(crate) async fn batch(
    State(ingress): State<Arc<Ingress>>,
    Extension(caller): Extension<Verified<Bytes>>,
    batch_id: Result<Path<String>, PathRejection>,
    receipt: Result<Query<Receipt>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(batch_id) = batch_id.map_err(|_| unreadable())?;
    let Query(Receipt { receipt }) = receipt.map_err(|_| unreadable())?;
    let clinic = &caller.clinic;
    let content =
        receipt.as_ref().and_then(|receipt| ids::open_batch_receipt(&clinic.event_key, &batch_id, receipt));
    let row = batch::Entity::find_by_id((clinic.clinic_id.clone(), batch_id.clone()));
    let row = read(|| row.clone().one(&ingress.database)).await.map_err(no_database)?;
    let row = match (row, receipt, content) {
        (Some(row), Some(receipt), Some(content)) if !row.content_digest.starts_with(&content) => {
            return Ok(report::refused_page(&batch_id, &receipt));
        }
        (Some(row), _, _) => row,
        (None, Some(receipt), Some(_)) => return Ok(report::queued_page(&batch_id, &receipt)),
        (None, _, _) => {
            return Err(Problem::no_such(
                "No worker has seen a batch with this id; one that was just accepted is at its answer's status_url",
            ));
        }
    };
    let listing: Vec<ListedEntry> =
        serde_json::from_str(&row.entries).map_err(|_| Problem::server_error("The batch cannot be read"))?;
    let known = || known::of_batch(&ingress.database, &row, &listing);
    let results = read(known).await.map_err(no_database)?;
    Ok(report::of_known(&clinic.clinic_id, &batch_id, &listing, &results))
}

/// `GET /status/{kind}/{careq_id}`
pub(crate) async fn record(
    State(ingress): State<Arc<Ingress>>,
    Extension(caller): Extension<Verified<Bytes>>,
    record: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((kind, careq_id)) = record.map_err(|_| unreadable())?;
    let clinic_id = &caller.clinic.clinic_id;
    let unknown = || Problem::no_such("There is no such record");
    let kind: RecordKind = kind.parse().map_err(|_| unknown())?;
    // Each record has one page: `+7` and `007` are none.
    let number = careq_id.parse().ok().filter(|number: &i64| number.to_string() == careq_id);
    let careq_id = number.ok_or_else(unknown)?;
    let mut data = Map::new();
    data.insert("kind".to_owned(), json!(kind));
    data.insert("id".to_owned(), json!(ids::record_id(clinic_id, kind, careq_id)));
    data.insert("careq_id".to_owned(), json!(careq_id));
    data.insert("external_id".to_owned(), json!(careq_id.to_string()));
    let known = match read(|| stored(&ingress, clinic_id, kind, careq_id)).await.map_err(no_database)? {
        Some(stored) => Some(stored),
        None => read(|| not_stored(&ingress, clinic_id, kind, careq_id)).await.map_err(no_database)?,
    };
    data.extend(known.ok_or_else(unknown)?);
    let mut page = success(StatusCode::OK, &format!("{} found", kind.title()), data);
    page.extensions_mut().insert(CareqId(careq_id));
    Ok(page)
}

async fn stored(
    ingress: &Ingress,
    clinic_id: &str,
    kind: RecordKind,
    careq_id: i64,
) -> Result<Option<Map<String, Value>>, DbErr> {
    macro_rules! stamps {
        ($table:ident) => {
            $table::Entity::find()
                .select_only()
                .columns([$table::Column::UpdatedAt, $table::Column::SyncedAt])
                .filter($table::Column::ClinicId.eq(clinic_id))
                .filter($table::Column::CareqId.eq(careq_id))
                .into_tuple::<(DateTime<Utc>, DateTime<Utc>)>()
                .one(&ingress.database)
                .await?
                .map(|(updated_at, synced_at)| synced(updated_at, synced_at))
        };
    }
    Ok(match kind {
        RecordKind::Patient => stamps!(patient),
        RecordKind::Doctor => stamps!(doctor),
        RecordKind::Service => stamps!(service),
        RecordKind::Appointment => appointment::Entity::find()
            .filter(appointment::Column::ClinicId.eq(clinic_id))
            .filter(appointment::Column::CareqId.eq(careq_id))
            .one(&ingress.database)
            .await?
            .map(|row| {
                let mut data = synced(row.updated_at, row.synced_at);
                data.insert("status".to_owned(), json!(row.status));
                data.insert("status_updated_at".to_owned(), json!(row.status_updated_at));
                data.insert("confirmation_number".to_owned(), json!(row.confirmation_number));
                data
            }),
    })
}

fn synced(updated_at: DateTime<Utc>, synced_at: DateTime<Utc>) -> Map<String, Value> {
    Map::from_iter([
        ("sync_status".to_owned(), json!("synced")),
        ("updated_at".to_owned(), json!(updated_at)),
        ("synced_at".to_owned(), json!(synced_at)),
    ])
}

/// A record whose event waits, or has failed.
async fn not_stored(
    ingress: &Ingress,
    clinic_id: &str,
    kind: RecordKind,
    careq_id: i64,
) -> Result<Option<Map<String, Value>>, DbErr> {
    let waits: Option<(String, Option<String>)> = parked_event::Entity::find()
        .filter(parked_event::Column::ClinicId.eq(clinic_id))
        .filter(parked_event::Column::Kind.eq(kind.as_str()))
        .filter(parked_event::Column::CareqId.eq(careq_id))
        .select_only()
        .columns([parked_event::Column::EventId, parked_event::Column::WaitingKind])
        .into_tuple()
        .one(&ingress.database)
        .await?;
    if let Some((event_id, waiting_kind)) = waits {
        let word = if waiting_kind.is_some() { "waiting" } else { "queued" };
        return Ok(Some(state(word, &event_id)));
    }
    let failed = dead_letter::Entity::find()
        .filter(dead_letter::Column::ClinicId.eq(clinic_id))
        .filter(dead_letter::Column::Kind.eq(kind.as_str()))
        .filter(dead_letter::Column::CareqId.eq(careq_id))
        .filter(dead_letter::Column::State.ne(DeadLetterState::Resolved))
        .order_by_desc(dead_letter::Column::LastSeenAt)
        .into_partial_model::<known::Letter>()
        .one(&ingress.database)
        .await?;
    Ok(failed.and_then(|letter| {
        let word = if known::is_under_way(&letter) { "queued" } else { "failed" };
        letter.event_id.map(|event_id| state(word, &event_id))
    }))
}

fn state(sync_status: &str, event_id: &str) -> Map<String, Value> {
    Map::from_iter([
        ("sync_status".to_owned(), json!(sync_status)),
        ("event_id".to_owned(), json!(event_id)),
        ("status_url".to_owned(), json!(format!("{API}/events/{event_id}"))),
    ])
}

fn unreadable() -> Problem {
    Problem::invalid("The path or its query cannot be read")
}

/// What the database said stays out of the log: it may quote data.
fn no_database(_: DbErr) -> Problem {
    Problem::no_database()
}
