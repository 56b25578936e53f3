//! Records that a transaction stored and events that it parked: both may make a parked event ready. `waiting/unpark.rs` searches for ready
//! events after the commit.

use careq_shared::event::Event;

use crate::db::lookup::RecordKeys;

/// Changes of one transaction that may make parked events ready.
#[derive(Debug, Default)]
pub(crate) struct UnparkTriggers {
    pub(crate) stored_records: RecordKeys,
    pub(crate) parked_event_ids: Vec<String>,
}

impl UnparkTriggers {
    /// Adds the record that an event created.
    pub(crate) fn add_stored(&mut self, event: &Event) {
        self.stored_records.insert((event.kind().record(), (event.clinic_id.clone(), event.careq_id)));
    }

    /// Adds an event that was parked.
    pub(crate) fn add_parked(&mut self, event: &Event) {
        self.parked_event_ids.push(event.event_id.as_str().to_owned());
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.stored_records.extend(other.stored_records);
        self.parked_event_ids.extend(other.parked_event_ids);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stored_records.is_empty() && self.parked_event_ids.is_empty()
    }
}
