//! `GET /status/{kind}/{careq_id}`: the stored record, or the event of it that waits or has failed.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
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
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use super::stored_result::DeadLetter;
use super::{Readable, database_error};
use crate::authenticate::Verified;
use crate::paths;
use crate::response::error;
use crate::response::{SyncStatus, success};
use crate::state::Ingress;

/// The status of a record
#[utoipa::path(
    get, path = "/status/{kind}/{careq_id}", operation_id = "record",
    params(
        ("kind" = inline(RecordKind), Path),
        ("careq_id" = i64, Path, minimum = 1, maximum = 9_223_372_036_854_775_807_i64),
    ),
    responses(
        (status = 200, description = "The record, or its event that waits or has failed",
            body = ref("#/components/schemas/RecordPage")),
        (status = 404, description = "There is no such record of this clinic"),
    ),
)]
pub(crate) async fn handle(
    Verified { ingress, clinic, .. }: Verified,
    Readable(Path((kind, careq_id))): Readable<Path<(String, String)>>,
) -> Result<Response, ApiError> {
    let clinic_id = &clinic.clinic_id;
    let unknown = || error::not_found("There is no such record");
    let kind: RecordKind = kind.parse().map_err(|_| unknown())?;
    // Each record has one path: `+7` and `007` are none.
    let number = careq_id.parse().ok().filter(|number: &i64| number.to_string() == careq_id);
    let careq_id = number.ok_or_else(unknown)?;
    let found = read(|| find(&ingress, clinic_id, kind, careq_id)).await.map_err(database_error)?;
    let (sync_status, state) = found.ok_or_else(unknown)?;
    let (id, external_id) = (ids::record_id(clinic_id, kind, careq_id), careq_id.to_string());
    let data = RecordPage { kind, id, careq_id, external_id, sync_status, state };
    let mut page = success(StatusCode::OK, &format!("{} found", kind.title()), data);
    page.extensions_mut().insert(CareqId(careq_id));
    Ok(page)
}

/// `data` of the page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordPage {
    kind: RecordKind,
    /// The record's id in careq-sync.
    id: Uuid,
    /// CareQ's identifier.
    careq_id: i64,
    /// CareQ's identifier as text.
    external_id: String,
    /// `synced`, `waiting`, `queued` or `failed`.
    sync_status: SyncStatus,
    #[serde(flatten)]
    state: RecordState,
}

/// A stored record, or the event of a record that is not stored.
#[skip_serializing_none]
#[derive(Debug, Default, Serialize, ToSchema)]
struct RecordState {
    /// CareQ's stamp of the stored version.
    #[schema(nullable = false)]
    updated_at: Option<DateTime<Utc>>,
    /// When that version was stored.
    #[schema(nullable = false)]
    synced_at: Option<DateTime<Utc>>,
    /// The appointment's status.
    #[schema(nullable = false)]
    status: Option<String>,
    #[schema(nullable = false)]
    status_updated_at: Option<DateTime<Utc>>,
    #[schema(nullable = false)]
    confirmation_number: Option<String>,
    /// The event that waits or has failed.
    #[schema(nullable = false)]
    event_id: Option<String>,
    /// The page of that event.
    #[schema(nullable = false)]
    status_url: Option<String>,
}

impl RecordState {
    fn stored(updated_at: DateTime<Utc>, synced_at: DateTime<Utc>) -> Self {
        Self { updated_at: Some(updated_at), synced_at: Some(synced_at), ..Self::default() }
    }

    /// A record whose event waits, or has failed.
    fn not_stored(event_id: String) -> Self {
        let status_url = Some(paths::event_status(&event_id, None));
        Self { event_id: Some(event_id), status_url, ..Self::default() }
    }
}

/// The stored record, else the event of it that waits or has failed.
async fn find(
    ingress: &Ingress,
    clinic_id: &str,
    kind: RecordKind,
    careq_id: i64,
) -> Result<Option<(SyncStatus, RecordState)>, DbErr> {
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
                .map(|(updated_at, synced_at)| RecordState::stored(updated_at, synced_at))
        };
    }
    let stored = match kind {
        RecordKind::Patient => stamps!(patient),
        RecordKind::Doctor => stamps!(doctor),
        RecordKind::Service => stamps!(service),
        RecordKind::Appointment => appointment::Entity::find()
            .filter(appointment::Column::ClinicId.eq(clinic_id))
            .filter(appointment::Column::CareqId.eq(careq_id))
            .one(&ingress.database)
            .await?
            .map(|row| RecordState {
                status: Some(row.status),
                status_updated_at: Some(row.status_updated_at),
                confirmation_number: Some(row.confirmation_number),
                ..RecordState::stored(row.updated_at, row.synced_at)
            }),
    };
    if let Some(state) = stored {
        return Ok(Some((SyncStatus::Synced, state)));
    }
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
        return Ok(Some((sync_status, RecordState::not_stored(event_id))));
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
        dead_letter.event_id.map(|event_id| (sync_status, RecordState::not_stored(event_id)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_of_an_appointment_has_the_members_of_the_specification() {
        let at = DateTime::UNIX_EPOCH;
        let state = RecordState {
            status: Some("booked".to_owned()),
            status_updated_at: Some(at),
            confirmation_number: Some("APPT-1970-7".to_owned()),
            ..RecordState::stored(at, at)
        };
        let (kind, sync_status) = (RecordKind::Appointment, SyncStatus::Synced);
        let external_id = "7".to_owned();
        let data = RecordPage { kind, id: Uuid::nil(), careq_id: 7, external_id, sync_status, state };
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
        assert_eq!(
            serde_json::to_value(RecordState::not_stored("evt".to_owned())).unwrap(),
            json!({ "event_id": "evt", "status_url": "/api/v1/careq-sync/events/evt" })
        );
    }
}
