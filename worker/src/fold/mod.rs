//! How an event changes its row: newer wins, and the result depends on the set of events alone. Nothing here may ask what
//! came first.

mod appointment;
mod single_version;
mod status;

pub(crate) use appointment::details_version;

use careq_shared::event::Event;
use careq_shared::outcome::{EventResult, Outcome};
use careq_shared::records::{Record, RecordKind};
use sea_orm::DbErr;

use crate::working_set::WorkingSet;

/// Applies an event whose parents are here.
pub(crate) fn into_its_row(set: &mut WorkingSet, event: &Event) -> Result<EventResult, DbErr> {
    let key = (event.clinic_id.clone(), event.careq_id);
    let context = single_version::Context { event, now: set.now, backend: set.backend, seal: &set.seal };
    let (outcome, appointment_status) = match &event.record {
        Record::Patient(patient) => (single_version::fold(&mut set.patients, key, patient, &context), None),
        Record::Doctor(doctor) => (single_version::fold(&mut set.doctors, key, doctor, &context), None),
        Record::Service(service) => (single_version::fold(&mut set.services, key, service, &context), None),
        Record::Appointment(appointment) => appointment::fold_details(set, event, appointment)?,
        Record::Status(_) | Record::Cancel(_) => appointment::fold_status(set, event)?,
    };
    if outcome == Outcome::Created {
        set.wakes.stored(event.kind().record(), &event.clinic_id, event.careq_id);
    }
    Ok(EventResult { outcome, appointment_status, replayed: false })
}

/// A record's id, for its row.
fn row_id(event: &Event, kind: RecordKind) -> uuid::Uuid {
    careq_shared::ids::record_id(&event.clinic_id, kind, event.careq_id)
}
