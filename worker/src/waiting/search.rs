//! Searches for parked events that are ready.

use careq_shared::entities::{appointment, doctor, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait as _, IntoSimpleExpr as _, Iterable as _,
    QueryFilter as _, QueryTrait as _, Statement,
};

use crate::db::lookup::{self, any_of, one_of};
use crate::db::record_table::RecordTable;
use crate::db::{arrays, bounds};
use crate::transaction::ready::Ready;

/// Searches after a commit, each for at most `max` events: children of stored records, and events parked while their parent was stored.
pub(crate) fn after_commit(ready: &Ready, backend: DbBackend, max: u64) -> Vec<Statement> {
    let mut searches = Vec::new();
    if !ready.stored.is_empty() {
        searches.push(children(ready, backend, max));
    }
    if !ready.parked.is_empty() {
        let parked = one_of(backend, parked_event::Column::EventId, ready.parked.clone());
        let with_parent = parked_event::Entity::find().filter(parked).filter(parked_with_parent());
        searches.push(backend.build(&first(with_parent.into_query(), max)));
    }
    searches
}

fn children(ready: &Ready, backend: DbBackend, max: u64) -> Statement {
    use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
    if backend == DbBackend::Postgres {
        let (kinds, keys): (Vec<_>, Vec<_>) = ready.stored.iter().cloned().unzip();
        let (clinics, careq_ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let kinds: Vec<_> = kinds.iter().map(|kind: &RecordKind| kind.as_str().to_owned()).collect();
        let columns: Vec<_> = parked_event::Column::iter().collect();
        let parent = [ClinicId, WaitingKind, WaitingCareqId];
        let children = first(lookup::each::<parked_event::Entity>(&parent, &columns, None), max);
        return arrays::statement(&children, [clinics.into(), kinds.into(), careq_ids.into()]);
    }
    let mut any = Condition::any();
    for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service, RecordKind::Appointment] {
        let of_kind = ready.stored.iter().filter(|(stored, _)| *stored == kind);
        let keys = of_kind.map(|(_, key)| key.clone()).collect();
        let children = any_of(backend, ClinicId, WaitingCareqId, &keys);
        any = any.add(Condition::all().add(WaitingKind.eq(kind.as_str())).add(children));
    }
    backend.build(&first(parked_event::Entity::find().filter(any).into_query(), max))
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
