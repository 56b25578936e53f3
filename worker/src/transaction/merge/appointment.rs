//! Appointments have two versions, one of the details and one of the status: late details do not undo a newer status or cancellation,
//! and a newer status does not block details.

use std::collections::BTreeMap;

use careq_shared::entities::appointment;
use careq_shared::event::{Event, Version};
use careq_shared::ids::confirmation_number;
use careq_shared::outcome::Outcome;
use careq_shared::records::Appointment;
use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::status;
use crate::db::lookup::Scoped;
use crate::transaction::working_set::{Slot, WorkingSet};

/// The version of an appointment's details.
pub(crate) fn details_version(row: &appointment::Model) -> Version {
    Version {
        stamp: row.updated_at,
        accepted_at: row.version_accepted_at,
        event_id: row.version_event_id.clone(),
    }
}

/// Applies an appointment event: its details and its status.
pub(super) fn merge_details(
    set: &mut WorkingSet,
    event: &Event,
    appointment: &Appointment,
) -> Result<(Outcome, Option<String>), DbErr> {
    let key = (event.clinic_id.clone(), event.careq_id);
    let Some(slot) = set.appointments.get_mut(&key) else {
        set.appointments.insert(key, Slot::new(new_row(event, appointment, set.now)));
        move_hash(&mut set.hashes, event, None, appointment.hash.as_ref());
        return Ok((Outcome::Created, Some(appointment.status.clone())));
    };
    let former = slot.row.clone();
    if details_version(&former) < event.version() {
        slot.touch();
        replace_details(&mut slot.row, event, appointment);
        move_hash(&mut set.hashes, event, former.hash.as_ref(), appointment.hash.as_ref());
    }
    replace_status(slot, event, &former, set.now)
}

/// Applies a status change or a cancellation to an appointment that exists.
pub(super) fn merge_status(set: &mut WorkingSet, event: &Event) -> Result<(Outcome, Option<String>), DbErr> {
    let Some(slot) = set.appointments.get_mut(&(event.clinic_id.clone(), event.careq_id)) else {
        return Ok((Outcome::Unchanged, None));
    };
    let former = slot.row.clone();
    replace_status(slot, event, &former, set.now)
}

/// Applies the event's status; returns the outcome of the event and the shown status.
fn replace_status(
    slot: &mut Slot<appointment::Model>,
    event: &Event,
    former: &appointment::Model,
    now: DateTime<Utc>,
) -> Result<(Outcome, Option<String>), DbErr> {
    if status::merge(&mut slot.row, event)? {
        slot.touch();
    }
    let is_unchanged = is_as_sent_before(slot.row.clone(), event, former);
    if !is_unchanged {
        slot.row.synced_at = now;
    }
    let outcome = if is_unchanged { Outcome::Unchanged } else { Outcome::Updated };
    Ok((outcome, Some(slot.row.status.clone())))
}

/// Compares the values that CareQ sent. Acceptances are ours, and so are versions where CareQ sent no stamp.
fn is_as_sent_before(mut row: appointment::Model, event: &Event, former: &appointment::Model) -> bool {
    row.version_accepted_at = former.version_accepted_at;
    row.version_event_id.clone_from(&former.version_event_id);
    row.status_accepted_at = former.status_accepted_at;
    row.status_event_id.clone_from(&former.status_event_id);
    row.status_versions.clone_from(&former.status_versions);
    if event.record.stamp().is_none() {
        row.updated_at = former.updated_at;
        row.status_updated_at = former.status_updated_at;
    }
    row == *former
}

fn move_hash(
    hashes: &mut BTreeMap<Scoped<String>, i64>,
    event: &Event,
    former: Option<&String>,
    next: Option<&String>,
) {
    if let Some(hash) = former {
        hashes.remove(&(event.clinic_id.clone(), hash.clone()));
    }
    if let Some(hash) = next {
        hashes.insert((event.clinic_id.clone(), hash.clone()), event.careq_id);
    }
}

pub(super) fn new_row(event: &Event, appointment: &Appointment, now: DateTime<Utc>) -> appointment::Model {
    let version = event.version();
    let mut row = appointment::Model {
        id: event.record_id(),
        clinic_id: event.clinic_id.clone(),
        careq_id: event.careq_id,
        patient_careq_id: 0,
        doctor_careq_id: 0,
        service_careq_id: 0,
        book_datetime: appointment.book_datetime,
        start_datetime: appointment.start_datetime,
        end_datetime: appointment.end_datetime,
        location: None,
        notes: None,
        prescription: None,
        referred_by: None,
        referred_by_address: None,
        color: None,
        hash: None,
        confirmation_number: String::new(),
        created_at: None,
        updated_at: version.stamp,
        version_accepted_at: version.accepted_at,
        version_event_id: version.event_id.clone(),
        status: appointment.status.clone(),
        status_notes: None,
        cancellation_reason: None,
        cancelled_by: None,
        cancelled_at: None,
        status_updated_at: version.stamp,
        status_accepted_at: version.accepted_at,
        status_event_id: version.event_id,
        status_versions: None,
        synced_at: now,
    };
    replace_details(&mut row, event, appointment);
    row
}

fn replace_details(row: &mut appointment::Model, event: &Event, appointment: &Appointment) {
    let version = event.version();
    row.patient_careq_id = appointment.patient_careq_id;
    row.doctor_careq_id = appointment.doctor_careq_id;
    row.service_careq_id = appointment.service_careq_id;
    row.book_datetime = appointment.book_datetime;
    row.start_datetime = appointment.start_datetime;
    row.end_datetime = appointment.end_datetime;
    row.location.clone_from(&appointment.location);
    row.notes.clone_from(&appointment.notes);
    row.prescription.clone_from(&appointment.prescription);
    row.referred_by.clone_from(&appointment.referred_by);
    row.referred_by_address.clone_from(&appointment.referred_by_address);
    row.color.clone_from(&appointment.color);
    row.hash.clone_from(&appointment.hash);
    row.confirmation_number = confirmation_number(appointment.book_datetime, event.careq_id);
    row.created_at = appointment.created_at;
    row.updated_at = version.stamp;
    row.version_accepted_at = version.accepted_at;
    row.version_event_id = version.event_id;
}
