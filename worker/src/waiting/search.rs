//! Builds the statements that find ready parked events.

use careq_shared::entities::{appointment, doctor, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait as _, IntoSimpleExpr as _, Iterable as _,
    QueryFilter as _, QueryTrait as _, Statement,
};

use crate::db::lookup::RecordKeys;
use crate::db::record_table::RecordTable;
use crate::db::{bounds, lookup};
use crate::transaction::unpark_triggers::UnparkTriggers;

/// Selects the events that wait for one of these records.
pub(crate) fn children(backend: DbBackend, stored: &RecordKeys) -> SelectStatement {
    use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
    let columns: Vec<_> = parked_event::Column::iter().collect();
    let parent = [ClinicId, WaitingKind, WaitingCareqId];
    lookup::waiting_for::<parked_event::Entity>(backend, parent, stored, &columns)
}

/// Statements that find the events to unpark after a commit: children of the stored records, and events parked while their parent was
/// stored. Each returns at most `max` events and about [`bounds::MAX_WAITING`] bytes.
pub(crate) fn statements_after_commit(
    triggers: &UnparkTriggers,
    backend: DbBackend,
    max: u64,
) -> Vec<Statement> {
    use parked_event::Column::EventId;
    let mut statements = Vec::new();
    let stored = &triggers.stored_records;
    if !stored.is_empty() {
        let children = first_page(children(backend, stored), max);
        statements.push(lookup::for_parents(backend, &children, stored));
    }
    if !triggers.parked_event_ids.is_empty() {
        let parked = lookup::one_of(backend, EventId, triggers.parked_event_ids.clone());
        let with_parent = parked_event::Entity::find().filter(parked).filter(parked_with_parent());
        statements.push(backend.build(&first_page(with_parent.into_query(), max)));
    }
    statements
}

fn first_page(mut select: SelectStatement, max: u64) -> SelectStatement {
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
        // With OFFSET 0 PostgreSQL looks each parent up instead of reading the whole table. SQLite requires LIMIT before OFFSET.
        .limit(1)
        .offset(0)
        .to_owned();
    waiting_kind.eq(kind.as_str()).and(Expr::exists(parent))
}
