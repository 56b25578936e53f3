//! Wakes what waited. The child may look before the parent commits and park after it: so both sides look again, in a new
//! statement after their own commit. Whichever commits last sees the other; nobody may rely on the sweep.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::entities::{appointment, doctor, parked_event, patient, service};
use careq_shared::records::RecordKind;
use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, IntoSimpleExpr as _,
    Iterable as _, QueryFilter as _, QueryTrait as _, Statement,
};

use crate::arrays;
use crate::attempt::attempt;
use crate::bounds::{self, InBytes, MAX_WAITING};
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::lookup::{self, Scoped, any_of, one_of};
use crate::order::{self, Item};
use crate::park::Unreadable;
use crate::working_set::RecordTable;
use crate::{dead_letters, park, retry};

/// Most that are settled beside a batch, so that many children of one parent do not hold up what comes in. Beside a thousand
/// others, these still fit into one statement of SQLite, which has 32,766 parameters.
pub(crate) const MAX_BESIDE_A_BATCH: u64 = 64;

/// Whom commits may have woken, the last commit last. Its children come first: what waits is never more than a few commits' worth.
#[derive(Debug, Default)]
pub struct Waking(Vec<Wakes>);

/// What a transaction stored and parked: whom it may have to wake.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    stored: BTreeSet<(RecordKind, Scoped<i64>)>,
    parked: Vec<String>,
    /// What was found last, by event id. Whatever is found again after it was settled is left to the sweep, which counts.
    found: BTreeSet<String>,
}

impl Waking {
    /// After this commit.
    pub(crate) fn after(&mut self, wakes: Wakes) {
        if !wakes.is_empty() {
            self.0.push(wakes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next of them, at most so many; nothing when nobody is left.
    pub(crate) async fn next(&mut self, lane: &Lane, most: u64) -> Result<Vec<Item>, Stopped> {
        while let Some(wakes) = self.0.last_mut() {
            let (rows, found_all) = wakes.find(lane, most).await?;
            if found_all || rows.is_empty() {
                self.0.pop();
            }
            let items = items(lane, rows).await?;
            if !items.is_empty() {
                return Ok(items);
            }
        }
        Ok(Vec::new())
    }
}

impl Wakes {
    pub(crate) fn stored(&mut self, kind: RecordKind, clinic_id: &str, careq_id: i64) {
        self.stored.insert((kind, (clinic_id.to_owned(), careq_id)));
    }

    pub(crate) fn parked(&mut self, event_id: &str) {
        self.parked.push(event_id.to_owned());
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.stored.extend(other.stored);
        self.parked.extend(other.parked);
    }

    /// At most so many of those that wait no longer, and whether there were no more.
    async fn find(&mut self, lane: &Lane, most: u64) -> Result<(Vec<parked_event::Model>, bool), Stopped> {
        // Those whose patience was over wait again, and are found with the others.
        dead_letters::wait_again(lane, &self.stored).await?;
        let (mut found, mut found_all) = (BTreeMap::new(), true);
        for search in self.searches(lane.database.get_database_backend(), most) {
            let rows = find(lane, &search).await?;
            // The search ended at a bound, if it ended at one.
            let bytes: usize = rows.iter().map(InBytes::bytes).sum();
            found_all &= (rows.len() as u64) < most && bytes < MAX_WAITING;
            found.extend(rows.into_iter().map(|row| (row.event_id.clone(), row)));
        }
        found_all &= (found.len() as u64) < most;
        let mut rows: Vec<_> =
            found.into_values().take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        let found = rows.iter().map(|row| row.event_id.clone()).collect();
        let before = std::mem::replace(&mut self.found, found);
        rows.retain(|row| !before.contains(&row.event_id));
        Ok((rows, found_all))
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
            let beside_parents = parked_event::Entity::find().filter(parked).filter(parked_beside_parent());
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
            return arrays::statement(&children, [clinics.into(), kinds.into(), careq_ids.into()]);
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
    bounds::first_rows(select.limit(most).to_owned(), parked_event::Column::iter(), "event", &["event_id"])
}

/// Settles the next of those that were woken, by themselves, and notes whom they wake in turn.
pub(crate) async fn step(lane: &Lane, waking: &mut Waking) -> Result<(), Stopped> {
    let most = u64::try_from(lane.settings.batch_size).unwrap_or(u64::MAX);
    let items = order::parents_first(&[], waking.next(lane, most).await?);
    if !items.is_empty() {
        waking.after(lane.settle(&items, lane.settings.batch_size).await?.wakes);
    }
    Ok(())
}

/// Settles parked rows, whom they wake, and so on, until told to stop.
pub(crate) async fn settle(lane: &Lane, rows: Vec<parked_event::Model>) -> Result<(), Stopped> {
    let items = order::parents_first(&[], items(lane, rows).await?);
    let mut waking = Waking::default();
    waking.after(lane.settle(&items, lane.settings.batch_size).await?.wakes);
    while !waking.is_empty() && !lane.shutdown.is_cancelled() {
        step(lane, &mut waking).await?;
    }
    Ok(())
}

/// The events of parked rows; one that cannot be read becomes a dead letter, one that cannot be opened is left.
async fn items(lane: &Lane, rows: Vec<parked_event::Model>) -> Result<Vec<Item>, Stopped> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        match park::item(&lane.seal, &row, retry::treatment(&row)) {
            Ok(item) => items.push(item),
            Err(Unreadable::Undecodable(bytes)) => dead_letters::keep_unreadable(lane, &row, &bytes).await?,
            Err(Unreadable::Sealed(reason)) => {
                tracing::error!(event_id = row.event_id, %reason, "a parked event cannot be opened; it stays parked");
                retry::give_back(lane, &row).await?;
            }
        }
    }
    Ok(items)
}

async fn find(lane: &Lane, search: &Statement) -> Result<Vec<parked_event::Model>, Stopped> {
    let found = attempt(lane, || async {
        let rows = parked_event::Entity::find().from_raw_sql(search.clone()).all(&lane.database);
        rows.await.map_err(|error: DbErr| Fault::from(error))
    });
    // Reading blames no event; should it ever, the sweep reads again.
    Ok(found.await?.unwrap_or_default())
}

/// Parked events whose parent is here.
pub(crate) fn parked_beside_parent() -> Condition {
    use parked_event::Column::{ClinicId, WaitingCareqId, WaitingKind};
    parent_is_here(ClinicId, WaitingKind, WaitingCareqId)
}

/// `EXISTS (SELECT 1 FROM patients WHERE …) OR …` for the parent that a row waits for.
pub(crate) fn parent_is_here<C: ColumnTrait>(clinic_id: C, kind: C, careq_id: C) -> Condition {
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
        // With an offset PostgreSQL looks each parent up; without one it may read the whole table to look a few of them up in that.
        .limit(1)
        .offset(0)
        .to_owned();
    waiting_kind.eq(kind.as_str()).and(Expr::exists(parent))
}
