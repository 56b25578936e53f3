//! A letter of a parent that never came waits again when it comes after all: its event is parked as before, and the wake-up finds it
//! there. Only an open letter is taken, with its row locked, so that a person's decision and a replay job's turn stay what they are.

use std::collections::BTreeSet;

use careq_shared::clock;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, event, parked_event};
use careq_shared::event::Event;
use careq_shared::outcome::Parent;
use careq_shared::records::RecordKind;
use careq_shared::seal::{AssociatedData, Sealed};
use careq_shared::{database, ledger, message};
use sea_orm::sea_query::{Expr, LockType, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait as _, FromQueryResult, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Statement,
};
use uuid::Uuid;

use crate::attempt::attempt;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::lookup::{self, Scoped, any_of};
use crate::turn::Turn;
use crate::{arrays, park, wake};

/// Most letters of one transaction: each has a payload.
const MAX_TOGETHER: usize = 16;

/// Most letters that one commit takes; the sweep takes the others.
const MAX_OF_A_COMMIT: u64 = 64;

/// A letter that may wait again.
#[derive(Debug, Clone, FromQueryResult)]
struct Candidate {
    id: Uuid,
    event_id: String,
}

/// Parks the events of open letters that lack one of these records, which were just stored.
pub(crate) async fn wait_again(
    lane: &Lane,
    stored: &BTreeSet<(RecordKind, Scoped<i64>)>,
) -> Result<(), Stopped> {
    if stored.is_empty() {
        return Ok(());
    }
    let search = by_parents(lane.database.get_database_backend(), stored);
    let done = attempt(lane, || async {
        let found = Candidate::find_by_statement(search.clone()).all(&lane.database).await?;
        park_each(lane, &found).await
    });
    if let Err(fault) = done.await? {
        tracing::error!(fault.message, "letters whose parent has come cannot be read; the sweep tries again");
    }
    Ok(())
}

/// The same of every record that is here: all such letters, or, of very many, a part at a time.
pub(crate) async fn wait_again_beside_parents(lane: &Lane, turn: &Turn<Uuid>) -> Result<Turn<Uuid>, Fault> {
    use dead_letter::Column::{ClinicId, EventId, Id, WaitingCareqId, WaitingKind};
    let waiting = || dead_letter::Entity::find().filter(is_waiting());
    let (part, next) = turn.part(&lane.database, waiting(), Id).await?;
    let found = waiting().select_only().columns([Id, EventId]).filter(part).filter(wake::parent_is_here(
        ClinicId,
        WaitingKind,
        WaitingCareqId,
    ));
    park_each(lane, &found.into_model().all(&lane.database).await?).await?;
    Ok(next)
}

/// In the words of the index `dead_letters_waiting`: SQLite takes it for nothing else.
fn is_waiting() -> Condition {
    Condition::all()
        .add(Expr::cust("dead_letters.state = 'open'"))
        .add(dead_letter::Column::WaitingKind.is_not_null())
}

fn by_parents(backend: DbBackend, stored: &BTreeSet<(RecordKind, Scoped<i64>)>) -> Statement {
    use dead_letter::Column::{ClinicId, EventId, Id, State, WaitingCareqId, WaitingKind};
    if backend == DbBackend::Postgres {
        let (kinds, keys): (Vec<_>, Vec<_>) = stored.iter().cloned().unzip();
        let (clinics, careq_ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let kinds: Vec<_> = kinds.iter().map(|kind: &RecordKind| kind.as_str().to_owned()).collect();
        let parent = [ClinicId, WaitingKind, WaitingCareqId];
        let mut letters = lookup::each::<dead_letter::Entity>(&parent, &[Id, EventId, State], None);
        letters.and_where(Expr::cust("found.state = 'open'")).limit(MAX_OF_A_COMMIT);
        return arrays::statement(&letters, [clinics.into(), kinds.into(), careq_ids.into()]);
    }
    let mut any = Condition::any();
    for kind in [RecordKind::Patient, RecordKind::Doctor, RecordKind::Service, RecordKind::Appointment] {
        let keys = stored.iter().filter(|(stored, _)| *stored == kind).map(|(_, key)| key.clone()).collect();
        let children = any_of(backend, ClinicId, WaitingCareqId, &keys);
        any = any.add(Condition::all().add(WaitingKind.eq(kind.as_str())).add(children));
    }
    let letters = dead_letter::Entity::find().select_only().columns([Id, EventId]);
    let letters = letters.filter(any).filter(State.eq(DeadLetterState::Open)).limit(MAX_OF_A_COMMIT);
    backend.build(&letters.into_query())
}

async fn park_each(lane: &Lane, found: &[Candidate]) -> Result<(), Fault> {
    for together in found.chunks(MAX_TOGETHER) {
        let transaction = database::begin_write(&lane.database).await?;
        park_letters(lane, &transaction, together).await?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn park_letters(
    lane: &Lane,
    transaction: &DatabaseTransaction,
    found: &[Candidate],
) -> Result<(), DbErr> {
    use dead_letter::Column::{Id, JobId, State, WaitingCareqId, WaitingKind};
    lock_events(transaction, found).await?;
    let letters = dead_letter::Entity::find()
        .filter(Id.is_in(found.iter().map(|letter| letter.id)))
        .filter(is_waiting())
        .order_by_asc(Id)
        .lock(LockType::NoKeyUpdate)
        .all(transaction)
        .await?;
    for letter in letters {
        let of_this = dead_letter::Entity::update_many().filter(Id.eq(letter.id));
        match parked(lane, &letter) {
            Opened::Row(row, parent) => {
                note_waiting(transaction, &row.event_id, &parent).await?;
                let unless_parked = OnConflict::column(parked_event::Column::EventId).do_nothing().to_owned();
                parked_event::Entity::insert(row.into_active_model())
                    .on_conflict(unless_parked)
                    .exec_without_returning(transaction)
                    .await?;
                let of_no_job = Expr::value(Option::<Uuid>::None);
                let under_way = of_this.col_expr(State, Expr::value(DeadLetterState::Replaying));
                under_way.col_expr(JobId, of_no_job).exec(transaction).await?;
            }
            Opened::Sealed(reason) => {
                tracing::error!(letter = %letter.id, reason, "a dead letter cannot be opened; it is left as it is");
            }
            Opened::Unreadable => {
                tracing::error!(letter = %letter.id, "a dead letter cannot be read; it needs a person");
                let nothing = of_this.col_expr(WaitingKind, Expr::value(Option::<String>::None));
                let nothing = nothing.col_expr(WaitingCareqId, Expr::value(Option::<i64>::None));
                nothing.exec(transaction).await?;
            }
        }
    }
    Ok(())
}

/// Rows of the ledger are always locked before letters, and in the order of their keys.
async fn lock_events(transaction: &DatabaseTransaction, found: &[Candidate]) -> Result<(), DbErr> {
    use event::Column::{ClinicId, EventId, IdempotencyKey};
    event::Entity::find()
        .select_only()
        .column(EventId)
        .filter(EventId.is_in(found.iter().map(|letter| letter.event_id.as_str())))
        .order_by_asc(ClinicId)
        .order_by_asc(IdempotencyKey)
        .lock(LockType::NoKeyUpdate)
        .into_tuple::<String>()
        .all(transaction)
        .await
        .map(drop)
}

enum Opened {
    Row(Box<parked_event::Model>, Parent),
    Sealed(String),
    Unreadable,
}

/// The event of a letter as it waits for its parent once more, with its patience before it.
fn parked(lane: &Lane, letter: &dead_letter::Model) -> Opened {
    let place = letter.id.to_string();
    let sealed = Sealed::stored_bytes(&letter.payload);
    let bytes = match lane.seal.open(AssociatedData::dead_letter(&place), &sealed) {
        Ok(bytes) => bytes,
        Err(reason) => return Opened::Sealed(reason.to_string()),
    };
    let kind = letter.waiting_kind.as_deref().and_then(|kind| kind.parse::<RecordKind>().ok());
    let parent = kind.zip(letter.waiting_careq_id).map(|(kind, careq_id)| Parent { kind, careq_id });
    let now = clock::now();
    let event = message::decode::<Event>(&bytes);
    let row = event.and_then(|event| park::new_row(&lane.seal, &event, now));
    let (Ok(row), Some(parent)) = (row, parent) else { return Opened::Unreadable };
    let row = parked_event::Model {
        waiting_kind: Some(parent.kind.as_str().to_owned()),
        waiting_careq_id: Some(parent.careq_id),
        due_at: now + lane.settings.parent_timeout,
        ..row
    };
    Opened::Row(Box::new(row), parent)
}

async fn note_waiting(
    transaction: &DatabaseTransaction,
    event_id: &str,
    parent: &Parent,
) -> Result<(), DbErr> {
    use event::Column::{ErrorCode, ErrorMessage, EventId, Outcome, WaitingFor};
    let parents = ledger::parents(std::slice::from_ref(parent));
    event::Entity::update_many()
        .col_expr(Outcome, Expr::value("waiting"))
        .col_expr(WaitingFor, Expr::value(parents))
        .col_expr(ErrorCode, Expr::value(Option::<String>::None))
        .col_expr(ErrorMessage, Expr::value(Option::<String>::None))
        .filter(EventId.eq(event_id))
        .filter(Outcome.eq("failed"))
        .exec(transaction)
        .await
        .map(drop)
}
