//! Searches for parked events that are ready.

use careq_shared::entities::{appointment, doctor, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait as _, IntoSimpleExpr as _, Iterable as _,
    QueryFilter as _, QueryTrait as _, Statement,
};

use crate::db::record_table::RecordTable;
use crate::db::{bounds, lookup};
use crate::transaction::ready::Ready;

/// Searches after a commit, each for at most `max` events: children of stored records, and events parked while their parent was stored.
pub(crate) fn after_commit(ready: &Ready, backend: DbBackend, max: u64) -> Vec<Statement> {
    use parked_event::Column::{ClinicId, EventId, WaitingCareqId, WaitingKind};
    let mut searches = Vec::new();
    if !ready.stored.is_empty() {
        let columns: Vec<_> = parked_event::Column::iter().collect();
        let children = |rows| first(rows, max);
        let parent = [ClinicId, WaitingKind, WaitingCareqId];
        searches.push(lookup::waiting_for::<parked_event::Entity>(
            backend,
            parent,
            &ready.stored,
            &columns,
            children,
        ));
    }
    if !ready.parked.is_empty() {
        let parked = lookup::one_of(backend, EventId, ready.parked.clone());
        let with_parent = parked_event::Entity::find().filter(parked).filter(parked_with_parent());
        searches.push(backend.build(&first(with_parent.into_query(), max)));
    }
    searches
}

fn first(mut select: SelectStatement, max: u64) -> SelectStatement {
    bounds::first_rows(select.limit(max).to_owned(), parked_event::Column::iter(), "event", &["event_id"])
}

/// Condition on parked events: the parent exists.
pub(crate) fn parked_with_parent() -> Condition {
    use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
    parent_exists(ClinicId, WaitingKind, WaitingCareqId)
}

/// `EXISTS (SELECT 1 FROM patients WHERE …) OR …` for the parent that a row waits for.
pub(crate) fn parent_exists<C: ColumnTrait>(clinic_id: C, kind: C, careq_id: C) -> Condition {
    Condition::any()
        .add(exists::<patient::Entity, C>(RecordKind::Patient, clinic_id, kind, careq_id))
        .add(exists::<doctor::Entity, C>(RecordKind::Doctor, clinic_id, kind, careq_id))
        .add(exists::<service::Entity, C>(RecordKind::Service, clinic_id, kind, careq_id))
        .add(exists::<appointment::Entity, C>(RecordKind::Appointment, clinic_id, kind, careq_id))
}

fn exists<E: RecordTable, C: ColumnTrait>(
    kind: RecordKind,
    clinic_id: C,
    waiting_kind: C,
    careq_id: C,
) -> SimpleExpr {
    let parent = Query::select()
        .expr(Expr::val(1))
        .from(E::default())
        .and_where(E::CLINIC_ID.into_simple_expr().eq(clinic_id.into_simple_expr()))
        .and_where(E::CAREQ_ID.into_simple_expr().eq(careq_id.into_simple_expr()))
        // With OFFSET 0 PostgreSQL looks each parent up instead of reading the whole table.
        .limit(1)
        .offset(0)
        .to_owned();
    waiting_kind.eq(kind.as_str()).and(Expr::exists(parent))
}
