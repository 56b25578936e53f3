//! Merging an event into its row: the newer version wins, and the result depends on the set of events alone.

mod appointment;
mod single_version;
mod status;

pub(crate) use appointment::details_version;

use careq_shared::event::Event;
use careq_shared::outcome::{EventResult, Outcome};
use careq_shared::records::Record;
use sea_orm::DbErr;

use super::working_set::WorkingSet;

/// Applies an event whose parents exist.
pub(crate) fn event(set: &mut WorkingSet, event: &Event) -> Result<EventResult, DbErr> {
    let key = (event.clinic_id.clone(), event.careq_id);
    let origin = single_version::Origin { event, now: set.now, backend: set.backend, seal: &set.seal };
    let (outcome, appointment_status) = match &event.record {
        Record::Patient(patient) => (single_version::merge(&mut set.patients, key, patient, &origin), None),
        Record::Doctor(doctor) => (single_version::merge(&mut set.doctors, key, doctor, &origin), None),
        Record::Service(service) => (single_version::merge(&mut set.services, key, service, &origin), None),
        Record::Appointment(appointment) => appointment::merge_details(set, event, appointment)?,
        Record::Status(_) | Record::Cancel(_) => appointment::merge_status(set, event)?,
    };
    if outcome == Outcome::Created {
        set.unpark_triggers.add_stored(event);
    }
    Ok(EventResult { outcome, appointment_status, replayed: false })
}
