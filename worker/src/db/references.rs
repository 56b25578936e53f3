//! Reads which of the records that events refer to exist: parents by their number, and appointments by their hash. One statement reads
//! them all.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::entities::{appointment, doctor, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Expr, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, Value};

use super::lookup::{self, Lookup, RecordKeys, Scoped, keys_of_kind};
use super::record_table::RecordTable;

/// The referenced records that exist.
#[derive(Debug, Default)]
pub(crate) struct References {
    pub(crate) parents: RecordKeys,
    /// `careq_id` of the appointment that has the hash.
    pub(crate) hashes: BTreeMap<Scoped<String>, i64>,
}

/// Reads which of these parents exist, and which appointments have these hashes.
pub(crate) async fn read(
    transaction: &DatabaseTransaction,
    parents: &RecordKeys,
    hashes: &BTreeSet<Scoped<String>>,
) -> Result<References, DbErr> {
    let backend = transaction.get_database_backend();
    let mut union = Union { backend, selects: Vec::new(), arrays: Vec::new() };
    union.add_parents::<patient::Entity>(parents);
    union.add_parents::<doctor::Entity>(parents);
    union.add_parents::<service::Entity>(parents);
    union.add_hashes(hashes);
    union.read(transaction).await
}

/// A union of selections of `(clinic_id, careq_id, hash, kind)`. Only an appointment that was found by its hash has one.
struct Union {
    backend: DbBackend,
    selects: Vec<SelectStatement>,
    arrays: Vec<Value>,
}

impl Union {
    fn add_parents<E: RecordTable>(&mut self, parents: &RecordKeys) {
        let keys = keys_of_kind(parents, E::KIND);
        if keys.is_empty() {
            return;
        }
        let parents = E::by_careq_id(&keys);
        let columns = [E::CLINIC_ID, E::CAREQ_ID];
        let mut select = parents.select(self.backend, &columns, None, self.arrays.len() + 1);
        select.expr(Expr::cust("CAST(NULL AS text)"));
        self.add(select, E::KIND, parents.arrays());
    }

    fn add_hashes(&mut self, hashes: &BTreeSet<Scoped<String>>) {
        use appointment::Column::{CareqId, ClinicId, Hash};
        if hashes.is_empty() {
            return;
        }
        let owners = Lookup::<appointment::Entity, _> { clinic: ClinicId, key: Hash, keys: hashes };
        let select = owners.select(self.backend, &[ClinicId, CareqId, Hash], None, self.arrays.len() + 1);
        self.add(select, RecordKind::Appointment, owners.arrays());
    }

    fn add(&mut self, mut select: SelectStatement, kind: RecordKind, arrays: [Value; 2]) {
        select.expr(Expr::val(kind.as_str()));
        self.selects.push(select);
        self.arrays.extend(arrays);
    }

    async fn read(self, transaction: &DatabaseTransaction) -> Result<References, DbErr> {
        let mut found = References::default();
        let mut selects = self.selects.into_iter();
        let Some(mut all) = selects.next() else { return Ok(found) };
        all.unions(selects.map(|select| (UnionType::All, select)));
        for row in transaction.query_all(lookup::statement(self.backend, &all, self.arrays)).await? {
            let (clinic_id, careq_id, hash, kind): (String, i64, Option<String>, RecordKind) =
                row.try_get_many_by_index()?;
            if let Some(hash) = hash {
                found.hashes.insert((clinic_id, hash), careq_id);
            } else {
                found.parents.insert((kind, (clinic_id, careq_id)));
            }
        }
        Ok(found)
    }
}
