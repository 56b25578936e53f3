//! Patients, doctors and services: one row with one version, replaced as a whole. An absent optional field clears the stored value.

use careq_shared::entities::{StoredPrice, doctor, patient, service};
use careq_shared::event::{Event, Version};
use careq_shared::outcome::Outcome;
use careq_shared::records::{Doctor, Patient, Service};
use careq_shared::seal::{AssociatedData, Seal};
use chrono::{DateTime, Utc};
use sea_orm::DbBackend;

use crate::db::lookup::Scoped;
use crate::transaction::working_set::{Rows, Slot};

/// Values of a new row that are not in the record.
pub(super) struct Origin<'event> {
    pub(super) event: &'event Event,
    pub(super) now: DateTime<Utc>,
    pub(super) backend: DbBackend,
    pub(super) seal: &'event Seal,
}

/// A row with one version.
pub(super) trait SingleVersion: Clone + PartialEq {
    type Record;
    /// The row of a record. An unchanged sealed value keeps its ciphertext, so that unchanged rows are equal.
    fn new(record: &Self::Record, former: Option<&Self>, origin: &Origin<'_>) -> Self;
    fn version(&self) -> Version;
    fn synced_at(&mut self) -> &mut DateTime<Utc>;
    /// The row with the former one's columns that are ours. The version is ours unless CareQ sent a stamp.
    fn with_our_columns_of(self, former: &Self, is_stamped: bool) -> Self;
}

/// Replaces the row by a newer record; an older or equal one changes nothing.
pub(super) fn merge<M: SingleVersion>(
    rows: &mut Rows<i64, M>,
    key: Scoped<i64>,
    record: &M::Record,
    origin: &Origin<'_>,
) -> Outcome {
    let next = M::new(record, rows.get(&key).map(|slot| &slot.row), origin);
    let Some(slot) = rows.get_mut(&key) else {
        rows.insert(key, Slot::new(next));
        return Outcome::Created;
    };
    if slot.row.version() >= next.version() {
        return Outcome::Unchanged;
    }
    slot.touch();
    let mut former = std::mem::replace(&mut slot.row, next);
    let is_stamped = origin.event.record.stamp().is_some();
    // Every value that CareQ sent is as before.
    if slot.row.clone().with_our_columns_of(&former, is_stamped) == former {
        *slot.row.synced_at() = *former.synced_at();
        return Outcome::Unchanged;
    }
    Outcome::Updated
}

/// A table whose rows have one version: the fields of its record that are stored as sent, and the value of the other column.
macro_rules! single_version {
    (
        $table:ident, $record:ident { $($field:ident)* },
        |$sent:tt, $former:tt, $origin:tt| $column:ident: $value:expr
    ) => {
        impl SingleVersion for $table::Model {
            type Record = $record;

            fn new(record: &$record, former: Option<&Self>, origin: &Origin<'_>) -> Self {
                let Version { stamp, accepted_at, event_id } = origin.event.version();
                let ($sent, $former, $origin) = (record, former, origin);
                Self {
                    id: origin.event.record_id(),
                    clinic_id: origin.event.clinic_id.clone(),
                    careq_id: origin.event.careq_id,
                    $($field: Clone::clone(&record.$field),)*
                    $column: $value,
                    updated_at: stamp,
                    version_accepted_at: accepted_at,
                    version_event_id: event_id,
                    synced_at: origin.now,
                }
            }

            fn version(&self) -> Version {
                let (stamp, event_id) = (self.updated_at, self.version_event_id.clone());
                Version { stamp, accepted_at: self.version_accepted_at, event_id }
            }

            fn synced_at(&mut self) -> &mut DateTime<Utc> {
                &mut self.synced_at
            }

            fn with_our_columns_of(self, former: &Self, is_stamped: bool) -> Self {
                Self {
                    updated_at: if is_stamped { self.updated_at } else { former.updated_at },
                    version_accepted_at: former.version_accepted_at,
                    version_event_id: former.version_event_id.clone(),
                    synced_at: former.synced_at,
                    ..self
                }
            }
        }
    };
}
single_version!(
    patient,
    Patient {
        first_name last_name email phone_number date_of_birth gender address city state zip_code spouse_name father_name
        custom_field_1 custom_field_2 custom_field_3 custom_field_4 custom_field_5 notes timezone language created_at
    },
    |sent, former, origin| aadhar_number: sent.aadhar_number.as_ref().map(|number| {
        let former = former.and_then(|former| former.aadhar_number.as_ref());
        let row = origin.event.record_id().to_string();
        origin.seal.keep_or_seal(AssociatedData::aadhar_number(&row), former, number.as_bytes())
    })
);
single_version!(
    doctor,
    Doctor {
        first_name last_name email phone_number mobile_number address city state zip_code specialization notes timezone
        language created_at
    },
    |sent, _, _| is_private: sent.is_private
);
single_version!(
    service,
    Service { name duration currency description location color category is_private created_at },
    |sent, _, origin| price: sent.price.map(|price| StoredPrice::new(price, origin.backend))
);
