//! Foreign keys and the uniqueness of hashes. A parent that is missing must never be invented: the child waits.

use careq_shared::event::Event;
use careq_shared::outcome::Parent;
use careq_shared::records::{Record, RecordKind};

use crate::lookup::Scoped;
use crate::working_set::WorkingSet;

/// Whether an event can be applied.
pub(crate) enum Check {
    /// Everything that it refers to is here.
    Complete,
    /// These records have not arrived.
    Missing(Vec<Parent>),
    /// Its hash belongs to this appointment.
    HashTaken(i64),
}

/// Looks for everything that the event refers to.
pub(crate) fn check(set: &WorkingSet, event: &Event) -> Check {
    match &event.record {
        Record::Patient(_) | Record::Doctor(_) | Record::Service(_) => Check::Complete,
        Record::Status(_) | Record::Cancel(_) => {
            missing(set, event, [Parent { kind: RecordKind::Appointment, careq_id: event.careq_id }])
        }
        Record::Appointment(appointment) => {
            // Details older than those stored will not be applied, so what they refer to does not matter.
            let stored = set.appointments.get(&(event.clinic_id.clone(), event.careq_id));
            if stored.is_some_and(|slot| crate::fold::details_version(&slot.row) >= event.version()) {
                return Check::Complete;
            }
            let parents = [
                Parent { kind: RecordKind::Patient, careq_id: appointment.patient_careq_id },
                Parent { kind: RecordKind::Doctor, careq_id: appointment.doctor_careq_id },
                Parent { kind: RecordKind::Service, careq_id: appointment.service_careq_id },
            ];
            match missing(set, event, parents) {
                Check::Complete => hash(set, event, appointment.hash.as_ref()),
                missing => missing,
            }
        }
    }
}

fn missing<const N: usize>(set: &WorkingSet, event: &Event, parents: [Parent; N]) -> Check {
    let is_missing = |parent: &Parent| !set.holds(parent.kind, &(event.clinic_id.clone(), parent.careq_id));
    let missing: Vec<_> = parents.into_iter().filter(is_missing).collect();
    if missing.is_empty() { Check::Complete } else { Check::Missing(missing) }
}

fn hash(set: &WorkingSet, event: &Event, hash: Option<&String>) -> Check {
    let owner = hash.and_then(|hash| set.hashes.get(&(event.clinic_id.clone(), hash.clone())));
    match owner {
        Some(owner) if *owner != event.careq_id => Check::HashTaken(*owner),
        _ => Check::Complete,
    }
}

impl WorkingSet {
    /// Whether a record is in the database or in this batch.
    fn holds(&self, kind: RecordKind, key: &Scoped<i64>) -> bool {
        let here = match kind {
            RecordKind::Patient => self.patients.contains_key(key),
            RecordKind::Doctor => self.doctors.contains_key(key),
            RecordKind::Service => self.services.contains_key(key),
            RecordKind::Appointment => self.appointments.contains_key(key),
        };
        here || self.parents.contains(&(kind, key.clone()))
    }
}
