//! The rows of events in the ledger and in `parked_events`, read and locked. PostgreSQL reads both with one statement.

use std::collections::BTreeSet;

use careq_shared::entities::{event, parked_event};
use futures_util::TryStreamExt as _;
use sea_orm::sea_query::{Alias, Cond, Expr, IntoIden as _, JoinType, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult,
    IdenStatic as _, IntoSimpleExpr as _, Iterable as _, QueryFilter as _, QueryResult, Statement,
    StreamTrait as _,
};

use crate::db::arrays;
use crate::db::bounds::{Budget, InBytes};
use crate::db::lookup::Lookup;
use crate::fault::Fault;

/// Clinic, idempotency key and id of an event.
pub(super) type EventKey = (String, String, String);

/// The stored rows of some events.
#[derive(Debug, Default)]
pub(super) struct EventRows {
    pub(super) ledger: Vec<event::Model>,
    pub(super) parked: Vec<parked_event::Model>,
}

/// Reads and locks the rows in the order of the keys: of each event the row in the ledger, then the parked one. An error if they exceed
/// the budget.
///
/// Without the lock on parked rows, this transaction could delete a row into which another session has just put a later delivery.
pub(super) async fn lock(
    transaction: &DatabaseTransaction,
    events: &BTreeSet<EventKey>,
    budget: &mut Budget,
) -> Result<EventRows, Fault> {
    if events.is_empty() {
        return Ok(EventRows::default());
    }
    match transaction.get_database_backend() {
        DbBackend::Postgres => lock_together(transaction, events, budget).await,
        DbBackend::Sqlite | DbBackend::MySql => read_each(transaction, events, budget).await,
    }
}

async fn lock_together(
    transaction: &DatabaseTransaction,
    events: &BTreeSet<EventKey>,
    budget: &mut Budget,
) -> Result<EventRows, Fault> {
    let mut stored = EventRows::default();
    let mut rows = transaction.stream(both_tables(events)).await?;
    while let Some(row) = rows.try_next().await? {
        stored.ledger.extend(side::<event::Model>(&row, "ledger_", budget)?);
        stored.parked.extend(side::<parked_event::Model>(&row, "parked_", budget)?);
    }
    Ok(stored)
}

/// One side of a joined row, if there is a row of its table.
fn side<M: FromQueryResult + InBytes>(
    row: &QueryResult,
    prefix: &str,
    budget: &mut Budget,
) -> Result<Option<M>, Fault> {
    if row.try_get::<Option<String>>(prefix, "event_id")?.is_none() {
        return Ok(None);
    }
    let stored = M::from_query_result(row, prefix)?;
    budget.take(&stored)?;
    Ok(Some(stored))
}

/// `SELECT … FROM (SELECT UNNEST($1) …) AS wanted LEFT JOIN LATERAL (… events … FOR NO KEY UPDATE) AS ledger ON TRUE
/// LEFT JOIN LATERAL (… parked_events … FOR UPDATE) AS parked ON TRUE`.
///
/// The second join depends on the first one, so the row in the ledger is locked first. For `OFFSET 0` see `db/lookup.rs`.
fn both_tables(events: &BTreeSet<EventKey>) -> Statement {
    use event::Column::{ClinicId, EventId, IdempotencyKey};
    let [wanted, ledger, parked] = ["wanted", "ledger", "parked"].map(|name| Alias::new(name).into_iden());
    let wanted_column = |column: event::Column| Expr::col((wanted.clone(), column));
    let mut lists = Query::select();
    for (place, column) in (1..).zip([ClinicId, IdempotencyKey, EventId]) {
        lists.expr_as(arrays::elements(place), column);
    }
    let in_ledger = Query::select()
        .columns(event::Column::iter())
        .from(event::Entity)
        .and_where(ClinicId.into_simple_expr().eq(wanted_column(ClinicId)))
        .and_where(IdempotencyKey.into_simple_expr().eq(wanted_column(IdempotencyKey)))
        .offset(0)
        .lock(LockType::NoKeyUpdate)
        .to_owned();
    // An event whose key another event has used may be parked, too.
    let is_of_either =
        Expr::cust(r#""parked_events"."event_id" IN ("wanted"."event_id", "ledger"."event_id")"#);
    let in_parked = Query::select()
        .columns(parked_event::Column::iter())
        .from(parked_event::Entity)
        .and_where(is_of_either)
        .offset(0)
        .lock(LockType::Update)
        .to_owned();
    let on_true = || Cond::all().add(Expr::cust("TRUE"));
    let mut select = Query::select();
    select
        .from_subquery(lists, wanted.clone())
        .join_lateral(JoinType::LeftJoin, in_ledger, ledger, on_true())
        .join_lateral(JoinType::LeftJoin, in_parked, parked, on_true());
    with_prefix::<event::Entity>(&mut select, "ledger");
    with_prefix::<parked_event::Entity>(&mut select, "parked");
    let (mut clinics, mut keys, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (clinic_id, key, event_id) in events.iter().cloned() {
        clinics.push(clinic_id);
        keys.push(key);
        ids.push(event_id);
    }
    arrays::statement(&select, [clinics.into(), keys.into(), ids.into()])
}

/// Selects the columns of a joined table, with its alias before their names.
fn with_prefix<E: EntityTrait>(select: &mut SelectStatement, table: &str) {
    for column in E::Column::iter() {
        let name = Alias::new(format!("{table}_{}", column.as_str()));
        select.expr_as(Expr::col((Alias::new(table), column)), name);
    }
}

async fn read_each(
    transaction: &DatabaseTransaction,
    events: &BTreeSet<EventKey>,
    budget: &mut Budget,
) -> Result<EventRows, Fault> {
    use event::Column::{ClinicId, IdempotencyKey};
    let keys: BTreeSet<_> =
        events.iter().map(|(clinic_id, key, _)| (clinic_id.clone(), key.clone())).collect();
    let lookup = Lookup::<event::Entity, _> { clinic: ClinicId, key: IdempotencyKey, keys: &keys };
    let ledger = lookup.lock(transaction, budget).await?;
    let ids = events.iter().map(|(.., event_id)| event_id).chain(ledger.iter().map(|row| &row.event_id));
    let ids: BTreeSet<_> = ids.cloned().collect();
    let parked = parked_event::Entity::find().filter(parked_event::Column::EventId.is_in(ids));
    let parked = parked.all(transaction).await?;
    parked.iter().try_for_each(|row| budget.take(row))?;
    Ok(EventRows { ledger, parked })
}
