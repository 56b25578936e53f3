//! Reads many rows by clinic and key in one statement. On PostgreSQL each key is one index lookup: given a list, the planner may read
//! all rows of the clinic until a growing table has been analyzed.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::records::RecordKind;
use futures_util::TryStreamExt as _;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{
    Alias, Cond, Expr, IntoIden as _, JoinType, LockType, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, EntityTrait,
    FromQueryResult as _, IntoSimpleExpr as _, Iterable as _, Statement, StreamTrait as _, Value,
};

use super::arrays;
use super::bounds::{Budget, InBytes};
use crate::fault::Fault;

/// A key within a clinic.
pub(crate) type Scoped<K> = (String, K);

/// Keys of records.
pub(crate) type RecordKeys = BTreeSet<(RecordKind, Scoped<i64>)>;

/// A set of rows of one table.
pub(crate) struct Lookup<'keys, E: EntityTrait, K> {
    pub(crate) clinic: E::Column,
    pub(crate) key: E::Column,
    pub(crate) keys: &'keys BTreeSet<Scoped<K>>,
}

impl<E, K> Lookup<'_, E, K>
where
    E: EntityTrait,
    K: Clone + Ord + Into<Value>,
    Vec<K>: Into<Value>,
{
    /// Reads and locks the rows until the end of the transaction, in the order of the keys, which is the same in every transaction.
    /// An error if they exceed the budget.
    pub(crate) async fn lock(
        &self,
        transaction: &DatabaseTransaction,
        budget: &mut Budget,
    ) -> Result<Vec<E::Model>, Fault>
    where
        E::Model: InBytes,
    {
        if self.keys.is_empty() {
            return Ok(Vec::new());
        }
        let columns: Vec<_> = E::Column::iter().collect();
        let backend = transaction.get_database_backend();
        // FOR UPDATE would also block appointments that only refer to the row.
        let select = self.select(backend, &columns, Some(LockType::NoKeyUpdate), 1);
        let statement = statement(backend, &select, self.arrays());
        let mut rows = transaction.stream(statement).await?;
        let mut locked = Vec::with_capacity(self.keys.len());
        while let Some(row) = rows.try_next().await? {
            let row = E::Model::from_query_result(&row, "")?;
            budget.take(&row)?;
            locked.push(row);
        }
        Ok(locked)
    }

    /// Selects some columns of the rows. On PostgreSQL the keys are parameters, see [`Self::arrays`]; the first of them has this number.
    pub(crate) fn select(
        &self,
        backend: DbBackend,
        columns: &[E::Column],
        lock: Option<LockType>,
        first: usize,
    ) -> SelectStatement {
        match backend {
            DbBackend::Postgres => each::<E>(&[self.clinic, self.key], columns, lock, first),
            // SQLite has one writer: there is nothing to lock.
            DbBackend::Sqlite | DbBackend::MySql => Query::select()
                .columns(columns.iter().copied())
                .from(E::default())
                .cond_where(any_of(backend, self.clinic, self.key, self.keys))
                .to_owned(),
        }
    }

    /// The parameters of a selection on PostgreSQL.
    pub(crate) fn arrays(&self) -> [Value; 2] {
        let (clinics, keys): (Vec<String>, Vec<K>) = self.keys.iter().cloned().unzip();
        [clinics.into(), keys.into()]
    }
}

/// A selection with its parameters. On SQLite it has its values itself.
pub(crate) fn statement(
    backend: DbBackend,
    select: &SelectStatement,
    arrays: impl IntoIterator<Item = Value>,
) -> Statement {
    match backend {
        DbBackend::Postgres => arrays::statement(select, arrays),
        DbBackend::Sqlite | DbBackend::MySql => backend.build(select),
    }
}

/// The keys of records of one kind.
pub(crate) fn keys_of_kind(keys: &RecordKeys, kind: RecordKind) -> BTreeSet<Scoped<i64>> {
    keys.iter().filter(|(this, _)| *this == kind).map(|(_, key)| key.clone()).collect()
}

/// `SELECT … FROM (SELECT UNNEST($1) …) AS wanted JOIN LATERAL (SELECT … WHERE … OFFSET 0 FOR NO KEY UPDATE) AS found ON TRUE`:
/// the rows that have one of the keys. Each column of the key is one array parameter; `first` is the number of the first one.
///
/// `OFFSET 0` keeps PostgreSQL from turning the subquery into a join that reads the table.
fn each<E: EntityTrait>(
    key: &[E::Column],
    columns: &[E::Column],
    lock: Option<LockType>,
    first: usize,
) -> SelectStatement {
    let [wanted, found] = ["wanted", "found"].map(|name| Alias::new(name).into_iden());
    let (mut lists, mut row) = (Query::select(), Query::select());
    row.columns(columns.iter().copied()).from(E::default()).offset(0);
    for (place, column) in (first..).zip(key) {
        lists.expr_as(arrays::elements(place), *column);
        row.and_where(column.into_simple_expr().eq(Expr::col((wanted.clone(), *column))));
    }
    if let Some(lock) = lock {
        row.lock(lock);
    }
    Query::select()
        .columns(columns.iter().map(|column| (found.clone(), *column)))
        .from_subquery(lists, wanted)
        .join_lateral(JoinType::InnerJoin, row, found, Cond::all().add(Expr::cust("TRUE")))
        .to_owned()
}

/// Selects the rows that wait for one of these parents. `[clinic, kind, careq_id]` are the columns that name a row's parent.
pub(crate) fn waiting_for<E: EntityTrait>(
    backend: DbBackend,
    [clinic, kind, careq_id]: [E::Column; 3],
    parents: &RecordKeys,
    columns: &[E::Column],
) -> SelectStatement {
    if backend == DbBackend::Postgres {
        return each::<E>(&[clinic, kind, careq_id], columns, None, 1);
    }
    let mut any = Condition::any();
    for parent in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service, RecordKind::Appointment] {
        let keys = keys_of_kind(parents, parent);
        any = any.add(
            Condition::all().add(kind.eq(parent.as_str())).add(any_of(backend, clinic, careq_id, &keys)),
        );
    }
    Query::select().columns(columns.iter().copied()).from(E::default()).cond_where(any).to_owned()
}

/// A selection that contains selections by [`waiting_for`], with the parents as its parameters.
pub(crate) fn for_parents(backend: DbBackend, select: &SelectStatement, parents: &RecordKeys) -> Statement {
    let (kinds, keys): (Vec<_>, Vec<_>) = parents.iter().cloned().unzip();
    let (clinics, careq_ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let kinds: Vec<_> = kinds.iter().map(|kind: &RecordKind| kind.as_str().to_owned()).collect();
    statement(backend, select, [clinics.into(), kinds.into(), careq_ids.into()])
}

/// `(clinic = a AND column IN (…)) OR …`: SQLite has no lists of pairs.
fn any_of<K>(
    backend: DbBackend,
    clinic: impl ColumnTrait,
    column: impl ColumnTrait,
    keys: &BTreeSet<Scoped<K>>,
) -> Condition
where
    K: Clone + Ord + Into<Value>,
    Vec<K>: Into<Value>,
{
    let mut by_clinic: BTreeMap<&String, Vec<K>> = BTreeMap::new();
    for (clinic_id, key) in keys {
        by_clinic.entry(clinic_id).or_default().push(key.clone());
    }
    by_clinic.into_iter().fold(Condition::any(), |any, (clinic_id, keys)| {
        any.add(clinic.eq(clinic_id).and(one_of(backend, column, keys)))
    })
}

/// `column = ANY ($1)` on PostgreSQL, the same statement for any number of keys; `column IN (…)` on SQLite.
pub(crate) fn one_of<K>(backend: DbBackend, column: impl ColumnTrait, keys: Vec<K>) -> SimpleExpr
where
    K: Into<Value>,
    Vec<K>: Into<Value>,
{
    match backend {
        DbBackend::Postgres => column.into_simple_expr().eq(PgFunc::any(keys)),
        DbBackend::Sqlite | DbBackend::MySql => column.is_in(keys),
    }
}
