//! Parents that a transaction stored and events that it parked: both may make a parked event ready. `waiting/unpark.rs` searches for
//! them after the commit.

use careq_shared::records::RecordKind;

use crate::db::lookup::RecordKeys;

/// Result of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) stored: RecordKeys,
    pub(crate) parked: Vec<String>,
}

impl Ready {
    pub(crate) fn stored(&mut self, kind: RecordKind, clinic_id: &str, careq_id: i64) {
        self.stored.insert((kind, (clinic_id.to_owned(), careq_id)));
    }

    pub(crate) fn parked(&mut self, event_id: &str) {
        self.parked.push(event_id.to_owned());
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.stored.extend(other.stored);
        self.parked.extend(other.parked);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.parked.is_empty()
    }
}
