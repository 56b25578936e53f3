//! Dead letters of a missing parent that arrives late: their events are parked again, and `waiting/unpark.rs` finds them there. Only open
//! dead letters are taken, with their rows locked, so that a person's decision and a replay job take precedence.

use careq_shared::clock;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, event, parked_event};
use careq_shared::event::Event;
use careq_shared::outcome::Parent;
use careq_shared::records::RecordKind;
use careq_shared::seal::{AssociatedData, Sealed};
use careq_shared::{database, ledger, message};
use sea_orm::sea_query::{Expr, LockType, OnConflict, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait as _, FromQueryResult, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use crate::context::{Context, Stopped};
use crate::db::lookup::{self, RecordKeys};
use crate::db::retries::retry_within_limits;
use crate::db::scan_cursor::ScanCursor;
use crate::fault::Fault;
use crate::item;
use crate::waiting::search;

/// Maximum number of dead letters in one transaction; each has a payload.
const MAX_TOGETHER: usize = 16;

/// Maximum number of dead letters after one commit; the sweep takes the others.
const MAX_OF_A_COMMIT: u64 = 64;

/// A dead letter whose event may be parked again.
#[derive(Debug, Clone, FromQueryResult)]
struct Candidate {
    id: Uuid,
    event_id: String,
}

/// Selects the open dead letters that miss one of these records.
pub(crate) fn children(backend: DbBackend, stored: &RecordKeys) -> SelectStatement {
    use dead_letter::Column::{ClinicId, EventId, Id, State, WaitingCareqId, WaitingKind};
    let parent = [ClinicId, WaitingKind, WaitingCareqId];
    lookup::waiting_for::<dead_letter::Entity>(backend, parent, stored, &[Id, EventId, State])
        .and_where(Expr::cust("state = 'open'"))
        .to_owned()
}

/// Parks the events of dead letters that miss one of these records, which were just stored.
pub(crate) async fn park_children(context: &Context, stored: &RecordKeys) -> Result<(), Stopped> {
    let backend = context.database.get_database_backend();
    let children = children(backend, stored).limit(MAX_OF_A_COMMIT).to_owned();
    let search = lookup::for_parents(backend, &children, stored);
    let park = || async {
        let found = Candidate::find_by_statement(search.clone()).all(&context.database).await?;
        park_each(context, &found).await
    };
    if let Err(fault) = retry_within_limits(context, park).await? {
        tracing::error!(fault.message, "letters whose parent has come cannot be read; the sweep tries again");
    }
    Ok(())
}

/// Parks the events of dead letters whose parent exists, a page at a time.
pub(crate) async fn park_page(
    context: &Context,
    cursor: &ScanCursor<Uuid>,
) -> Result<ScanCursor<Uuid>, Fault> {
    use dead_letter::Column::{ClinicId, EventId, Id, WaitingCareqId, WaitingKind};
    let waiting = || dead_letter::Entity::find().filter(is_waiting());
    let (part, next) = cursor.page(&context.database, waiting(), Id).await?;
    let found = waiting().select_only().columns([Id, EventId]).filter(part).filter(search::parent_exists(
        ClinicId,
        WaitingKind,
        WaitingCareqId,
    ));
    park_each(context, &found.into_model().all(&context.database).await?).await?;
    Ok(next)
}

/// The literal condition of the index `dead_letters_waiting`: SQLite uses the index for no other wording.
fn is_waiting() -> Condition {
    Condition::all()
        .add(Expr::cust("dead_letters.state = 'open'"))
        .add(dead_letter::Column::WaitingKind.is_not_null())
}

async fn park_each(context: &Context, found: &[Candidate]) -> Result<(), Fault> {
    for together in found.chunks(MAX_TOGETHER) {
        let transaction = database::begin_write(&context.database).await?;
        park_letters(context, &transaction, together).await?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn park_letters(
    context: &Context,
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
        match parked(context, &letter) {
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

/// Locks the rows of the ledger in the order of their keys, before the dead letters.
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

/// The parked row of a dead letter's event, with a new parent timeout.
fn parked(context: &Context, letter: &dead_letter::Model) -> Opened {
    let place = letter.id.to_string();
    let sealed = Sealed::stored_bytes(&letter.payload);
    let bytes = match context.seal.open(AssociatedData::dead_letter(&place), &sealed) {
        Ok(bytes) => bytes,
        Err(reason) => return Opened::Sealed(reason.to_string()),
    };
    let kind = letter.waiting_kind.as_deref().and_then(|kind| kind.parse::<RecordKind>().ok());
    let parent = kind.zip(letter.waiting_careq_id).map(|(kind, careq_id)| Parent { kind, careq_id });
    let now = clock::now();
    let (Ok(event), Some(parent)) = (message::decode::<Event>(&bytes), parent) else {
        return Opened::Unreadable;
    };
    let row = parked_event::Model {
        waiting_kind: Some(parent.kind.as_str().to_owned()),
        waiting_careq_id: Some(parent.careq_id),
        due_at: now + context.settings.parent_timeout,
        ..item::parked_row(&context.seal, &event, now)
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
