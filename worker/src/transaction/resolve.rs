//! Foreign keys and the uniqueness of hashes. An event whose parent is missing waits; no parent is invented.

use careq_shared::event::Event;
use careq_shared::outcome::Parent;
use careq_shared::records::{Record, RecordKind};

use super::merge::details_version;
use super::working_set::WorkingSet;
use crate::db::lookup::Scoped;

/// Result of the check of an event's references.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every referenced record exists.
    Complete,
    /// These records do not exist yet.
    Missing(Vec<Parent>),
    /// The hash belongs to this appointment.
    HashTaken(i64),
}

/// Checks everything that the event refers to.
pub(crate) fn check(set: &WorkingSet, event: &Event) -> Check {
    match &event.record {
        Record::Patient(_) | Record::Doctor(_) | Record::Service(_) => Check::Complete,
        Record::Status(_) | Record::Cancel(_) => {
            missing(set, event, [Parent { kind: RecordKind::Appointment, careq_id: event.careq_id }])
        }
        Record::Appointment(appointment) => {
            // Details older than the stored ones are not applied: their references do not matter.
            let stored = set.appointments.get(&(event.clinic_id.clone(), event.careq_id));
            if stored.is_some_and(|slot| details_version(&slot.row) >= event.version()) {
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
    /// Whether a record exists in the database or in this batch.
    fn holds(&self, kind: RecordKind, key: &Scoped<i64>) -> bool {
        let is_loaded = match kind {
            RecordKind::Patient => self.patients.contains_key(key),
            RecordKind::Doctor => self.doctors.contains_key(key),
            RecordKind::Service => self.services.contains_key(key),
            RecordKind::Appointment => self.appointments.contains_key(key),
        };
        is_loaded || self.parents.contains(&(kind, key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::merge;
    use crate::transaction::testing::{CLINIC, appointment, cancellation, empty_set, patient, with_hash};

    fn parent(kind: RecordKind, careq_id: i64) -> (RecordKind, Scoped<i64>) {
        (kind, (CLINIC.to_owned(), careq_id))
    }

    #[test]
    fn an_appointment_needs_its_three_parents() {
        let mut set = empty_set();
        let event = appointment(7, 1);
        let expected = [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service];
        let expected = expected.map(|kind| Parent { kind, careq_id: 7 });
        assert_eq!(check(&set, &event), Check::Missing(expected.to_vec()));
        set.parents.insert(parent(RecordKind::Doctor, 7));
        set.parents.insert(parent(RecordKind::Service, 7));
        assert_eq!(check(&set, &event), Check::Missing(vec![expected[0].clone()]));
        merge::event(&mut set, &patient(7, 1)).unwrap();
        assert_eq!(check(&set, &event), Check::Complete, "a parent of the same batch counts");
    }

    #[test]
    fn a_parent_of_another_clinic_does_not_count() {
        let mut set = empty_set();
        for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service] {
            set.parents.insert((kind, ("another".to_owned(), 7)));
        }
        assert!(matches!(check(&set, &appointment(7, 1)), Check::Missing(missing) if missing.len() == 3));
    }

    #[test]
    fn a_cancellation_needs_its_appointment() {
        let mut set = empty_set();
        let missing = Parent { kind: RecordKind::Appointment, careq_id: 7 };
        assert_eq!(check(&set, &cancellation(7, 2)), Check::Missing(vec![missing]));
        merge::event(&mut set, &appointment(7, 1)).unwrap();
        assert_eq!(check(&set, &cancellation(7, 2)), Check::Complete);
    }

    #[test]
    fn a_hash_belongs_to_one_appointment_and_stays_with_it() {
        let mut set = empty_set();
        for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service] {
            set.parents.extend([parent(kind, 7), parent(kind, 8)]);
        }
        merge::event(&mut set, &with_hash(appointment(7, 1), "h")).unwrap();
        assert_eq!(check(&set, &with_hash(appointment(8, 2), "h")), Check::HashTaken(7));
        assert_eq!(check(&set, &with_hash(appointment(7, 2), "h")), Check::Complete);
        merge::event(&mut set, &with_hash(appointment(7, 3), "other")).unwrap();
        assert_eq!(check(&set, &with_hash(appointment(8, 4), "h")), Check::Complete, "it was given up");
    }

    #[test]
    fn details_that_are_not_applied_need_no_parents() {
        let mut set = empty_set();
        merge::event(&mut set, &appointment(7, 5)).unwrap();
        assert_eq!(check(&set, &appointment(7, 4)), Check::Complete);
        assert!(matches!(check(&set, &appointment(7, 6)), Check::Missing(_)));
    }
}
