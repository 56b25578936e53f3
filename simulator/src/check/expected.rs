//! What the bookings imply, folded from the stories themselves: of every record the newest version, of an appointment the
//! newest details and the newest status apart (CareQ's stamps decide; of versions without one, the order in which they were
//! sent, one after the other's acknowledgement by the same ingress).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use careq_shared::records::{Kind, RecordKind};
use chrono::{DateTime, Utc};

use crate::world::{Body, Event, Fate, Refusal, World};

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
    /// Records of requests that were refused.
    pub(super) refused: BTreeSet<Key>,
    pub(super) batches: Vec<Batch>,
}

/// A `POST /batch`, and which of its story's events it holds.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) clinic: usize,
    pub(super) id: String,
    pub(super) story: u64,
    pub(super) events: Range<u16>,
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
        for (position, request) in story.requests.iter().enumerate() {
            if let Some(Refusal { kind, careq_id, .. }) = request.refusal {
                expected.refused.insert(Key { clinic, kind: kind.record(), careq_id });
            }
            if let Some(id) = request.batch_id.clone() {
                let events = story.first_event_of(position)..story.first_event_of(position + 1);
                expected.batches.push(Batch { clinic, id, story: number, events });
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
        // Stories are folded in the order in which they are sent.
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
