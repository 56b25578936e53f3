//! The records that the bookings imply: the newest version of each.
//!
//! An appointment has a newest version of its details and one of its status. CareQ's time stamps decide. Of versions without a
//! time stamp the one sent last is the newest: each was sent to the same ingress after the one before it was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use careq_shared::records::{Kind, RecordKind};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::world::World;
use crate::world::scenario::{Event, ExpectedOutcome, Refusal};

/// Key of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Index of the clinic.
    pub(super) clinic: usize,
    pub(super) kind: RecordKind,
    pub(super) careq_id: i64,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.careq_id)
    }
}

/// Position of an event, and its time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) scenario: u64,
    pub(super) event: usize,
    pub(super) stamp: Option<DateTime<Utc>>,
}

/// The events that a record must have come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) details: Source,
    /// Used for appointments only.
    pub(super) status: Source,
}

/// The state that the installation must have.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) records: BTreeMap<Key, Record>,
    /// Pairs of records of which exactly one must exist.
    pub(super) conflicting: Vec<[Key; 2]>,
    /// Records whose parent never arrives.
    pub(super) orphans: BTreeSet<Key>,
    /// Records of refused requests.
    pub(super) refused: BTreeSet<Key>,
}

impl Expected {
    /// Computes the state from all scenarios.
    pub(super) fn from_world(world: &World) -> Self {
        let mut expected = Self::default();
        for number in 0..world.scenarios() {
            let clinic = world.clinic_of(number);
            let scenario = world.scenario(number);
            let mut conflicting = Vec::new();
            for (position, event) in scenario.events().enumerate() {
                let key = Key { clinic, kind: event.kind.record(), careq_id: event.careq_id };
                let source = Source { scenario: number, event: position, stamp: event.stamp };
                match event.expected {
                    ExpectedOutcome::Applied => expected.apply(key, event, source),
                    ExpectedOutcome::Conflicting => conflicting.push(key),
                    ExpectedOutcome::Orphaned => {
                        expected.orphans.insert(key);
                    }
                }
            }
            let refusals = scenario.requests.iter().filter_map(|request| request.refusal);
            expected.refused.extend(refusals.map(|Refusal { kind, careq_id, .. }| Key {
                clinic,
                kind: kind.record(),
                careq_id,
            }));
            if let Ok(pair) = conflicting.try_into() {
                expected.conflicting.push(pair);
            }
        }
        expected
    }

    fn apply(&mut self, key: Key, event: &Event, source: Source) {
        let record = self.records.entry(key).or_insert(Record { details: source, status: source });
        // Events without time stamps come in the order in which they are sent.
        let is_newer = |than: &Source| match (source.stamp, than.stamp) {
            (None, None) => true,
            (stamp, other) => stamp > other,
        };
        if !matches!(event.kind, Kind::Status | Kind::Cancel) && is_newer(&record.details) {
            record.details = source;
        }
        if is_newer(&record.status) {
            record.status = source;
        }
    }
}

impl Source {
    /// Generates the event again; its kind and body.
    #[expect(clippy::expect_used, reason = "the source was taken from the same scenario")]
    pub(super) fn event(&self, world: &World) -> (Kind, Value) {
        let scenario = world.scenario(self.scenario);
        let event = scenario.event(self.event).expect("the scenario has the event");
        (event.kind, event.body.clone())
    }
}

/// The status that an event gives its appointment.
pub(super) fn status_of(kind: Kind, body: &Value) -> Option<&str> {
    match kind {
        Kind::Cancel => Some("cancelled"),
        _ => body.get("status").and_then(Value::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Disorder;

    #[test]
    fn details_and_status_of_an_appointment_are_its_newest_ones() {
        let world = World::new(vec!["clinic".to_owned()], 7, 400, Disorder::default());
        let expected = Expected::from_world(&world);
        for (key, record) in &expected.records {
            let scenarios = (0..world.scenarios()).map(|number| world.scenario(number));
            let events: Vec<_> = scenarios
                .flat_map(|scenario| scenario.events().cloned().collect::<Vec<_>>())
                .filter(|event| event.kind.record() == key.kind && event.careq_id == key.careq_id)
                .collect();
            assert_eq!(record.status.stamp, events.iter().map(|event| event.stamp).max().unwrap());
            let details = events.iter().filter(|event| !matches!(event.kind, Kind::Status | Kind::Cancel));
            assert_eq!(record.details.stamp, details.map(|event| event.stamp).max().unwrap());
        }
    }
}
