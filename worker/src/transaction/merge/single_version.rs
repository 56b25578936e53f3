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
pub(super) trait SingleVersion: Versioned + Clone + PartialEq {
    type Record;
    /// The row of a record. An unchanged sealed value keeps its ciphertext, so that unchanged rows are equal.
    fn new(record: &Self::Record, former: Option<&Self>, origin: &Origin<'_>) -> Self;
}

/// Our own columns of a row with one version.
pub(super) trait Versioned {
    fn version(&self) -> Version;
    fn set_version(&mut self, version: Version);
    fn synced_at(&self) -> DateTime<Utc>;
    fn set_synced_at(&mut self, synced_at: DateTime<Utc>);
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
    let former = std::mem::replace(&mut slot.row, next);
    if is_unchanged(&former, &slot.row, origin.event) {
        slot.row.set_synced_at(former.synced_at());
        return Outcome::Unchanged;
    }
    Outcome::Updated
}

/// Whether two rows agree in every value that CareQ sent.
fn is_unchanged<M: SingleVersion>(former: &M, next: &M, event: &Event) -> bool {
    let mut version = former.version();
    if event.record.stamp().is_some() {
        version.stamp = next.version().stamp;
    }
    let mut comparable = next.clone();
    comparable.set_version(version);
    comparable.set_synced_at(former.synced_at());
    comparable == *former
}

macro_rules! versioned {
    ($($table:ident),*) => { $(
        impl Versioned for $table::Model {
            fn version(&self) -> Version {
                Version {
                    stamp: self.updated_at,
                    accepted_at: self.version_accepted_at,
                    event_id: self.version_event_id.clone(),
                }
            }

            fn set_version(&mut self, version: Version) {
                self.updated_at = version.stamp;
                self.version_accepted_at = version.accepted_at;
                self.version_event_id = version.event_id;
            }

            fn synced_at(&self) -> DateTime<Utc> {
                self.synced_at
            }

            fn set_synced_at(&mut self, synced_at: DateTime<Utc>) {
                self.synced_at = synced_at;
            }
        }
    )* };
}
versioned!(patient, doctor, service);

impl SingleVersion for patient::Model {
    type Record = Patient;

    fn new(record: &Patient, former: Option<&Self>, origin: &Origin<'_>) -> Self {
        let version = origin.event.version();
        let id = origin.event.record_id();
        let row = id.to_string();
        let aadhar_number = record.aadhar_number.as_ref().map(|number| {
            let former = former.and_then(|former| former.aadhar_number.as_ref());
            origin.seal.keep_or_seal(AssociatedData::aadhar_number(&row), former, number.as_bytes())
        });
        Self {
            id,
            clinic_id: origin.event.clinic_id.clone(),
            careq_id: origin.event.careq_id,
            first_name: record.first_name.clone(),
            last_name: record.last_name.clone(),
            email: record.email.clone(),
            phone_number: record.phone_number.clone(),
            date_of_birth: record.date_of_birth,
            gender: record.gender.clone(),
            address: record.address.clone(),
            city: record.city.clone(),
            state: record.state.clone(),
            zip_code: record.zip_code.clone(),
            aadhar_number,
            spouse_name: record.spouse_name.clone(),
            father_name: record.father_name.clone(),
            custom_field_1: record.custom_field_1.clone(),
            custom_field_2: record.custom_field_2.clone(),
            custom_field_3: record.custom_field_3.clone(),
            custom_field_4: record.custom_field_4.clone(),
            custom_field_5: record.custom_field_5.clone(),
            notes: record.notes.clone(),
            timezone: record.timezone.clone(),
            language: record.language.clone(),
            created_at: record.created_at,
            updated_at: version.stamp,
            version_accepted_at: version.accepted_at,
            version_event_id: version.event_id,
            synced_at: origin.now,
        }
    }
}

impl SingleVersion for doctor::Model {
    type Record = Doctor;

    fn new(record: &Doctor, _former: Option<&Self>, origin: &Origin<'_>) -> Self {
        let version = origin.event.version();
        Self {
            id: origin.event.record_id(),
            clinic_id: origin.event.clinic_id.clone(),
            careq_id: origin.event.careq_id,
            first_name: record.first_name.clone(),
            last_name: record.last_name.clone(),
            email: record.email.clone(),
            phone_number: record.phone_number.clone(),
            mobile_number: record.mobile_number.clone(),
            address: record.address.clone(),
            city: record.city.clone(),
            state: record.state.clone(),
            zip_code: record.zip_code.clone(),
            specialization: record.specialization.clone(),
            notes: record.notes.clone(),
            is_private: record.is_private,
            timezone: record.timezone.clone(),
            language: record.language.clone(),
            created_at: record.created_at,
            updated_at: version.stamp,
            version_accepted_at: version.accepted_at,
            version_event_id: version.event_id,
            synced_at: origin.now,
        }
    }
}

impl SingleVersion for service::Model {
    type Record = Service;

    fn new(record: &Service, _former: Option<&Self>, origin: &Origin<'_>) -> Self {
        let version = origin.event.version();
        Self {
            id: origin.event.record_id(),
            clinic_id: origin.event.clinic_id.clone(),
            careq_id: origin.event.careq_id,
            name: record.name.clone(),
            duration: record.duration,
            price: record.price.map(|price| StoredPrice::new(price, origin.backend)),
            currency: record.currency.clone(),
            description: record.description.clone(),
            location: record.location.clone(),
            color: record.color.clone(),
            category: record.category.clone(),
            is_private: record.is_private,
            created_at: record.created_at,
            updated_at: version.stamp,
            version_accepted_at: version.accepted_at,
            version_event_id: version.event_id,
            synced_at: origin.now,
        }
    }
}
