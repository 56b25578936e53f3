//! What the bookings imply, folded from the stories themselves: of every record the newest version, of an appointment the
//! newest details and the newest status apart (CareQ's stamps decide; every version has one of its own).

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::records::{Kind, RecordKind};
use chrono::{DateTime, Utc};

use crate::world::{Body, Event, Fate, World};

/// A record of a clinic, by the clinic's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) clinic: usize,
    pub(super) kind: RecordKind,
    pub(super) careq_id: i64,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) story: u64,
    pub(super) event: u16,
    pub(super) stamp: Option<DateTime<Utc>>,
}

/// A record as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) details: Source,
    /// Of an appointment.
    pub(super) status: Source,
}

/// Everything that must be there, and what must not.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) records: BTreeMap<Key, Record>,
    /// Pairs of which exactly one must be there.
    pub(super) twins: Vec<[(Key, Source); 2]>,
    /// Records whose parent never comes.
    pub(super) orphans: BTreeSet<Key>,
}

/// Folds all stories.
pub(super) fn fold(world: &World) -> Expected {
    let mut expected = Expected::default();
    for number in 0..world.stories() {
        let clinic = world.clinic_of(number);
        let story = world.story(number);
        let mut twins = Vec::new();
        for (position, event) in story.events() {
            let key = Key { clinic, kind: event.kind.record(), careq_id: event.careq_id };
            let source = Source { story: number, event: position, stamp: event.stamp };
            match event.fate {
                Fate::Applied => expected.apply(key, event, source),
                Fate::Twin => twins.push((key, source)),
                Fate::Orphaned => {
                    expected.orphans.insert(key);
                }
            }
        }
        if let Ok(pair) = twins.try_into() {
            expected.twins.push(pair);
        }
    }
    expected
}

impl Expected {
    fn apply(&mut self, key: Key, event: &Event, source: Source) {
        let record = self.records.entry(key).or_insert(Record { details: source, status: source });
        let is_newer = |than: &Source| source.stamp > than.stamp;
        if !matches!(event.kind, Kind::Status | Kind::Cancel) && is_newer(&record.details) {
            record.details = source;
        }
        if is_newer(&record.status) {
            record.status = source;
        }
    }
}

impl Source {
    /// The event's kind and body, made again.
    pub(super) fn event(&self, world: &World) -> Option<(Kind, Body)> {
        world.story(self.story).event(self.event).map(|event| (event.kind, event.body.clone()))
    }
}

/// The status that an event gives to its appointment.
pub(super) fn status_of(kind: Kind, body: &Body) -> &str {
    match kind {
        Kind::Cancel => "cancelled",
        _ => body.get("status").and_then(serde_json::Value::as_str).unwrap_or_default(),
    }
}
