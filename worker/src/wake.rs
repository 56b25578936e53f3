//! Wakes what waited. The child may look before the parent commits and park after it: so both sides look again, in a new
//! statement after their own commit. Whichever commits last sees the other; nobody may rely on the sweep.

use std::collections::BTreeSet;

use careq_shared::entities::{appointment, doctor, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Alias, Expr, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _,
    IntoSimpleExpr as _, Iterable as _, QueryFilter as _, QueryTrait as _, Statement,
};

use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::lookup::{self, Scoped, any_of, one_of};
use crate::order::{self, Item};
use crate::park::Unreadable;
use crate::working_set::RecordTable;
use crate::{dead_letters, park, retry, transaction};

/// Beside a thousand others, these still fit into one statement of SQLite, which has 32,766 parameters.
const MOST_BESIDE_A_BATCH: u64 = 64;

/// What a transaction stored and parked: whom it may have to wake.
#[derive(Debug, Default)]
pub struct Wakes {
    stored: Vec<(RecordKind, Scoped<i64>)>,
    parked: Vec<String>,
}

impl Wakes {
    pub(crate) fn stored(&mut self, kind: RecordKind, clinic_id: &str, careq_id: i64) {
        self.stored.push((kind, (clinic_id.to_owned(), careq_id)));
    }

    pub(crate) fn parked(&mut self, event_id: &str) {
        self.parked.push(event_id.to_owned());
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.stored.extend(other.stored);
        self.parked.extend(other.parked);
    }

    /// What has to be looked for, at most so many of each: children of what was stored, and what was parked beside a parent that has
    /// arrived meanwhile.
    fn searches(&self, backend: DbBackend, most: u64) -> Vec<Statement> {
        let mut searches = Vec::new();
        if !self.stored.is_empty() {
            searches.push(self.children(backend, most));
        }
        if !self.parked.is_empty() {
            let parked = one_of(backend, parked_event::Column::EventId, self.parked.clone());
            let beside_parents = parked_event::Entity::find().filter(parked).filter(parent_is_here());
            searches.push(backend.build(&first(beside_parents.into_query(), most)));
        }
        searches
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.parked.is_empty()
    }

    fn children(&self, backend: DbBackend, most: u64) -> Statement {
        use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
        if backend == DbBackend::Postgres {
            let (kinds, keys): (Vec<_>, Vec<_>) = self.stored.iter().cloned().unzip();
            let (clinics, careq_ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
            let kinds: Vec<_> = kinds.iter().map(|kind: &RecordKind| kind.as_str().to_owned()).collect();
            let columns: Vec<_> = parked_event::Column::iter().collect();
            let parent = [ClinicId, WaitingKind, WaitingCareqId];
            let children = first(lookup::each::<parked_event::Entity>(&parent, &columns, None), most);
            return lookup::with_lists(&children, [clinics.into(), kinds.into(), careq_ids.into()]);
        }
        let mut any = Condition::any();
        for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service, RecordKind::Appointment] {
            let of_kind = self.stored.iter().filter(|(stored, _)| *stored == kind);
            let keys = of_kind.map(|(_, key)| key.clone()).collect();
            let children = any_of(backend, ClinicId, WaitingCareqId, &keys);
            any = any.add(Condition::all().add(WaitingKind.eq(kind.as_str())).add(children));
        }
        backend.build(&first(parked_event::Entity::find().filter(any).into_query(), most))
    }
}

fn first(mut select: SelectStatement, most: u64) -> SelectStatement {
    select.order_by(Alias::new("event_id"), Order::Asc).limit(most).to_owned()
}

/// The children of what was just committed, to be settled with the next batch; more than a few are settled at once, by themselves.
pub(crate) async fn woken(lane: &Lane, wakes: Wakes) -> Result<Vec<Item>, Stopped> {
    let mut rows = Vec::new();
    for search in wakes.searches(lane.database.get_database_backend(), MOST_BESIDE_A_BATCH + 1) {
        rows.extend(find(lane, &search).await?);
    }
    if rows.len() as u64 > MOST_BESIDE_A_BATCH {
        children(lane, wakes).await?;
        return Ok(Vec::new());
    }
    rows.sort_by(|one, other| one.event_id.cmp(&other.event_id));
    rows.dedup_by(|one, other| one.event_id == other.event_id);
    items(lane, &rows).await
}

/// Settles the children of what was just committed, their children, and so on.
pub(crate) async fn children(lane: &Lane, wakes: Wakes) -> Result<(), Stopped> {
    let most = u64::try_from(lane.settings.batch).unwrap_or(u64::MAX);
    let mut pending = vec![wakes];
    while let Some(wakes) = pending.pop() {
        for search in wakes.searches(lane.database.get_database_backend(), most) {
            let mut looked_at = BTreeSet::new();
            loop {
                let mut rows = find(lane, &search).await?;
                // Whatever is still there after it was settled is left to the sweep, which counts.
                rows.retain(|row| looked_at.insert(row.event_id.clone()));
                if rows.is_empty() {
                    break;
                }
                pending.push(settle(lane, &rows).await?);
            }
        }
    }
    Ok(())
}

/// Settles parked rows.
pub(crate) async fn settle(lane: &Lane, rows: &[parked_event::Model]) -> Result<Wakes, Stopped> {
    let items = order::parents_first(&[], items(lane, rows).await?);
    Ok(transaction::bisecting(lane, &items).await?.wakes)
}

/// The events of parked rows; one that cannot be read becomes a dead letter, one that cannot be opened is left.
async fn items(lane: &Lane, rows: &[parked_event::Model]) -> Result<Vec<Item>, Stopped> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        match park::item(&lane.seal, row, retry::treatment(row)) {
            Ok(item) => items.push(item),
            Err(Unreadable::Undecodable(bytes)) => dead_letters::keep_unreadable(lane, row, &bytes).await?,
            Err(Unreadable::Sealed(reason)) => {
                tracing::error!(event_id = row.event_id, %reason, "a parked event cannot be opened; it stays parked");
                retry::give_back(lane, row).await?;
            }
        }
    }
    Ok(items)
}

async fn find(lane: &Lane, search: &Statement) -> Result<Vec<parked_event::Model>, Stopped> {
    let found = transaction::attempt(lane, || async {
        let rows = parked_event::Entity::find().from_raw_sql(search.clone()).all(&lane.database);
        rows.await.map_err(|error: DbErr| Fault::from(error))
    });
    // Reading blames no event; should it ever, the sweep reads again.
    Ok(found.await?.unwrap_or_default())
}

/// `EXISTS (SELECT 1 FROM patients WHERE …) OR …` for the parent that a row waits for.
pub(crate) fn parent_is_here() -> Condition {
    Condition::any()
        .add(exists::<patient::Entity>(RecordKind::Patient))
        .add(exists::<doctor::Entity>(RecordKind::Doctor))
        .add(exists::<service::Entity>(RecordKind::Service))
        .add(exists::<appointment::Entity>(RecordKind::Appointment))
}

fn exists<E: RecordTable>(kind: RecordKind) -> SimpleExpr {
    use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
    let parent = Query::select()
        .expr(Expr::val(1))
        .from(E::default())
        .and_where(E::CLINIC_ID.into_simple_expr().eq(ClinicId.into_simple_expr()))
        .and_where(E::CAREQ_ID.into_simple_expr().eq(WaitingCareqId.into_simple_expr()))
        // With an offset PostgreSQL looks each parent up; without one it may read the whole table to look a few of them up in that.
        .limit(1)
        .offset(0)
        .to_owned();
    WaitingKind.eq(kind.as_str()).and(Expr::exists(parent))
}
