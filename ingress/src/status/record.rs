//! `GET /status/{kind}/{careq_id}`: the stored record, or the event of it that waits or has failed.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use careq_http::{ApiError, CareqId};
use careq_shared::database::read;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{appointment, dead_letter, doctor, parked_event, patient, service};
use careq_shared::ids;
use careq_shared::records::RecordKind;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use uuid::Uuid;

use super::query::{database_error, unreadable};
use super::stored_result::DeadLetter;
use crate::authenticate::caller::Verified;
use crate::paths;
use crate::response::body::{SyncStatus, success};
use crate::response::error;
use crate::state::Ingress;

pub(crate) async fn handle(
    caller: Verified<Bytes>,
    State(ingress): State<Arc<Ingress>>,
    record: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path((kind, careq_id)) = record.map_err(|_| unreadable())?;
    let clinic_id = &caller.clinic.clinic_id;
    let unknown = || error::not_found("There is no such record");
    let kind: RecordKind = kind.parse().map_err(|_| unknown())?;
    // Each record has one path: `+7` and `007` are none.
    let number = careq_id.parse().ok().filter(|number: &i64| number.to_string() == careq_id);
    let careq_id = number.ok_or_else(unknown)?;
    let state = match read(|| stored(&ingress, clinic_id, kind, careq_id)).await.map_err(database_error)? {
        Some(stored) => Some(stored),
        None => read(|| not_stored(&ingress, clinic_id, kind, careq_id)).await.map_err(database_error)?,
    };
    let data = PageData {
        kind,
        id: ids::record_id(clinic_id, kind, careq_id),
        careq_id,
        external_id: careq_id.to_string(),
        state: state.ok_or_else(unknown)?,
    };
    let mut page = success(StatusCode::OK, &format!("{} found", kind.title()), data);
    page.extensions_mut().insert(CareqId(careq_id));
    Ok(page)
}

/// `data` of the page.
#[derive(Debug, Serialize)]
struct PageData {
    kind: RecordKind,
    id: Uuid,
    careq_id: i64,
    external_id: String,
    #[serde(flatten)]
    state: RecordState,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum RecordState {
    Stored(Stored),
    Appointment(StoredAppointment),
    NotStored(NotStored),
}

#[derive(Debug, Serialize)]
struct Stored {
    sync_status: SyncStatus,
    updated_at: DateTime<Utc>,
    synced_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct StoredAppointment {
    #[serde(flatten)]
    stored: Stored,
    status: String,
    status_updated_at: DateTime<Utc>,
    confirmation_number: String,
}

/// A record whose event waits, or has failed.
#[derive(Debug, Serialize)]
struct NotStored {
    sync_status: SyncStatus,
    event_id: String,
    status_url: String,
}

impl Stored {
    fn new(updated_at: DateTime<Utc>, synced_at: DateTime<Utc>) -> Self {
        Self { sync_status: SyncStatus::Synced, updated_at, synced_at }
    }
}

impl NotStored {
    fn new(sync_status: SyncStatus, event_id: String) -> Self {
        let status_url = paths::event_status(&event_id, None);
        Self { sync_status, event_id, status_url }
    }
}

async fn stored(
    ingress: &Ingress,
    clinic_id: &str,
    kind: RecordKind,
    careq_id: i64,
) -> Result<Option<RecordState>, DbErr> {
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
                .map(|(updated_at, synced_at)| RecordState::Stored(Stored::new(updated_at, synced_at)))
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
                RecordState::Appointment(StoredAppointment {
                    stored: Stored::new(row.updated_at, row.synced_at),
                    status: row.status,
                    status_updated_at: row.status_updated_at,
                    confirmation_number: row.confirmation_number,
                })
            }),
    })
}

async fn not_stored(
    ingress: &Ingress,
    clinic_id: &str,
    kind: RecordKind,
    careq_id: i64,
) -> Result<Option<RecordState>, DbErr> {
    let parked: Option<(String, Option<String>)> = parked_event::Entity::find()
        .filter(parked_event::Column::ClinicId.eq(clinic_id))
        .filter(parked_event::Column::Kind.eq(kind.as_str()))
        .filter(parked_event::Column::CareqId.eq(careq_id))
        .select_only()
        .columns([parked_event::Column::EventId, parked_event::Column::WaitingKind])
        .into_tuple()
        .one(&ingress.database)
        .await?;
    if let Some((event_id, waiting_kind)) = parked {
        let sync_status = if waiting_kind.is_some() { SyncStatus::Waiting } else { SyncStatus::Queued };
        return Ok(Some(RecordState::NotStored(NotStored::new(sync_status, event_id))));
    }
    let dead_letter = dead_letter::Entity::find()
        .filter(dead_letter::Column::ClinicId.eq(clinic_id))
        .filter(dead_letter::Column::Kind.eq(kind.as_str()))
        .filter(dead_letter::Column::CareqId.eq(careq_id))
        .filter(dead_letter::Column::State.ne(DeadLetterState::Resolved))
        .order_by_desc(dead_letter::Column::LastSeenAt)
        .into_partial_model::<DeadLetter>()
        .one(&ingress.database)
        .await?;
    Ok(dead_letter.and_then(|dead_letter| {
        let sync_status = if dead_letter.is_in_progress() { SyncStatus::Queued } else { SyncStatus::Failed };
        dead_letter.event_id.map(|event_id| RecordState::NotStored(NotStored::new(sync_status, event_id)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_of_an_appointment_has_the_members_of_the_specification() {
        let at = DateTime::UNIX_EPOCH;
        let state = RecordState::Appointment(StoredAppointment {
            stored: Stored::new(at, at),
            status: "booked".to_owned(),
            status_updated_at: at,
            confirmation_number: "APPT-1970-7".to_owned(),
        });
        let kind = RecordKind::Appointment;
        let data = PageData { kind, id: Uuid::nil(), careq_id: 7, external_id: "7".to_owned(), state };
        assert_eq!(
            serde_json::to_value(data).unwrap(),
            json!({
                "kind": "appointment", "id": Uuid::nil(), "careq_id": 7, "external_id": "7",
                "sync_status": "synced", "updated_at": at, "synced_at": at,
                "status": "booked", "status_updated_at": at, "confirmation_number": "APPT-1970-7",
            })
        );
    }

    #[test]
    fn the_page_of_a_record_that_is_not_stored_names_its_event() {
        let state = NotStored::new(SyncStatus::Waiting, "evt".to_owned());
        assert_eq!(
            serde_json::to_value(state).unwrap(),
            json!({
                "sync_status": "waiting", "event_id": "evt", "status_url": "/api/v1/careq-sync/events/evt",
            })
        );
    }
}
