//! The tables of records, by clinic and `careq_id`.

use std::collections::BTreeSet;

use careq_shared::entities::{appointment, doctor, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::EntityTrait;

use super::lookup::{Lookup, Scoped};

/// A table of records.
pub(crate) trait RecordTable: EntityTrait {
    const KIND: RecordKind;
    const CLINIC_ID: Self::Column;
    const CAREQ_ID: Self::Column;
    fn key(row: &Self::Model) -> Scoped<i64>;

    fn by_careq_id(keys: &BTreeSet<Scoped<i64>>) -> Lookup<'_, Self, i64> {
        Lookup { clinic: Self::CLINIC_ID, key: Self::CAREQ_ID, keys }
    }
}

macro_rules! record_table {
    ($($kind:ident $module:ident),*) => { $(
        impl RecordTable for $module::Entity {
            const KIND: RecordKind = RecordKind::$kind;
            const CLINIC_ID: $module::Column = $module::Column::ClinicId;
            const CAREQ_ID: $module::Column = $module::Column::CareqId;
            fn key(row: &$module::Model) -> Scoped<i64> {
                (row.clinic_id.clone(), row.careq_id)
            }
        }
    )* };
}
record_table!(Patient patient, Doctor doctor, Service service, Appointment appointment);
