//! Dead letters, and parked events, in transactions of their own. A message is acknowledged only after those of its events are stored.

use std::slice;

use bytes::Bytes;
use careq_shared::dead_letters::Class;
use careq_shared::entities::{event, parked_event};
use careq_shared::event::Event;
use careq_shared::message::{Batch, Entry};
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome};
use careq_shared::{clock, database};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, Set};

use super::row::{self, DeadLetter, Try};
use super::write;
use crate::context::{Context, Stopped};
use crate::db::bounds::{self, MAX_TRANSACTION};
use crate::db::retries::{retry_until_done, retry_within_limits};
use crate::fault::{EventFault, Fault};
use crate::{item, retry_policy};

/// Stores messages that cannot be decrypted or decoded.
pub(crate) async fn undecodable(context: &Context, bodies: &[Bytes]) -> Result<(), Stopped> {
    if bodies.is_empty() {
        return Ok(());
    }
    let failure = Failure {
        code: ErrorCode::InvalidRequest,
        message: "The message is not one that this version can read".to_owned(),
    };
    let letter = |body: &Bytes| {
        DeadLetter::from_bytes(body, &context.settings.name)
            .because(Class::Undecodable, &failure)
            .sealed(&context.seal, body)
    };
    keep(context, bodies.iter().map(letter).collect(), None).await
}

/// Stores each record of a `POST /batch` that could not be registered as a dead letter. They have no row in the ledger: sent again in
/// another batch, they are new events.
pub(crate) async fn batch(
    context: &Context,
    batch: &Batch,
    class: Class,
    reason: &str,
) -> Result<(), Stopped> {
    let code = if class == Class::Conflict { ErrorCode::DuplicateRecord } else { ErrorCode::ServerError };
    let failure = Failure { code, message: reason.to_owned() };
    let letters = batch.entries.iter().filter_map(|entry| match entry {
        Entry::Accepted(event) => Some(event_dead_letter(context, event, class, &failure)),
        Entry::Refused(_) => None,
    });
    keep(context, letters.collect(), None).await
}

/// Stores an event as a dead letter if the transaction that should record its failure has failed as well.
pub(crate) async fn unrecorded(
    context: &Context,
    event: &Event,
    fault: &EventFault,
) -> Result<EventResult, Stopped> {
    let failure = Failure { code: ErrorCode::ServerError, message: fault.message.clone() };
    let letter = event_dead_letter(context, event, Class::Data, &failure);
    keep(context, vec![letter], Some(event.event_id.as_str())).await?;
    fail_in_ledger(context, event.event_id.as_str(), &failure).await?;
    Ok(EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false })
}

fn event_dead_letter(context: &Context, event: &Event, class: Class, failure: &Failure) -> DeadLetter {
    DeadLetter::from_event(event, &context.settings.name)
        .because(class, failure)
        .sealed(&context.seal, &item::payload(event))
}

/// Parks an event whose ledger row is locked by another session, without touching that row. The consumer goes on, and nothing is wrong
/// with the event. If it is parked already, the row keeps the latest delivery.
pub(crate) async fn past_its_row(context: &Context, event: &Event) -> Result<EventResult, Stopped> {
    tracing::warn!(
        event_id = %event.event_id,
        "another session holds the row of an event in the ledger; it is tried again later"
    );
    match retry_within_limits(context, || park_latest(context, event)).await? {
        Ok(()) => Ok(EventResult { outcome: Outcome::Retrying, appointment_status: None, replayed: false }),
        Err(fault) => unrecorded(context, event, &fault).await,
    }
}

async fn park_latest(context: &Context, event: &Event) -> Result<(), Fault> {
    use parked_event::Column::EventId;
    let now = clock::whole_microseconds(clock::now());
    let row = item::parked_row(&context.seal, event, now);
    // Counted as an attempt: only an event that was never tried shares a transaction with others.
    let row = parked_event::Model { due_at: now + retry_policy::delay_while_held(), attempts: 1, ..row };
    let transaction = database::begin_write(&context.database).await?;
    // Changes nothing in an existing row, and locks it.
    let unless_parked = OnConflict::column(EventId).update_column(EventId).to_owned();
    let insert = parked_event::Entity::insert(row.clone().into_active_model()).on_conflict(unless_parked);
    let parked = insert.exec_with_returning(&transaction).await?;
    if item::replaces_parked(&context.seal, event, &parked) {
        let latest = parked_event::ActiveModel { event: Set(row.event), ..Default::default() };
        let update = parked_event::Entity::update_many().set(latest).filter(EventId.eq(row.event_id));
        update.exec(&transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// Stores a parked event that this version cannot decode.
pub(crate) async fn unreadable(
    context: &Context,
    row: &parked_event::Model,
    bytes: &[u8],
) -> Result<(), Stopped> {
    let failure = Failure {
        code: ErrorCode::ServerError,
        message: "The parked event cannot be read by this version".to_owned(),
    };
    let letter = DeadLetter::from_parked(row, &context.settings.name)
        .because(Class::Undecodable, &failure)
        .tried(row.attempts.max(1))
        .after(Try::stored_in(row))
        .sealed(&context.seal, bytes);
    keep(context, vec![letter], Some(&row.event_id)).await?;
    fail_in_ledger(context, &row.event_id, &failure).await
}

/// Sets a waiting or retrying event to failed, if it has a row in the ledger. Its parked row is gone.
async fn fail_in_ledger(context: &Context, event_id: &str, failure: &Failure) -> Result<(), Stopped> {
    use event::Column::{ErrorCode, ErrorMessage, EventId, Outcome, WaitingFor};
    let row = || {
        event::Entity::update_many()
            .col_expr(Outcome, Expr::value("failed"))
            .col_expr(ErrorCode, Expr::value(failure.code.as_str()))
            .col_expr(ErrorMessage, Expr::value(failure.message.as_str()))
            .col_expr(WaitingFor, Expr::value(Option::<String>::None))
            .filter(EventId.eq(event_id))
            .filter(Outcome.is_in(["waiting", "retrying"]))
    };
    if let Err(fault) = retry_within_limits(context, || row().exec(&context.database)).await? {
        tracing::error!(fault.message, "the ledger cannot say that an event has failed; its letter does");
    }
    Ok(())
}

/// Stores dead letters in transactions of limited size; those that fail together are stored one by one.
async fn keep(context: &Context, letters: Vec<DeadLetter>, parked: Option<&str>) -> Result<(), Stopped> {
    let mut one_by_one = Vec::new();
    for part in bounds::parts(&letters, letters.len(), MAX_TRANSACTION) {
        // The reason is logged below, for each that fails by itself.
        if retry_within_limits(context, || record(context, part, parked)).await?.is_err() {
            one_by_one.extend(part);
        }
    }
    for letter in one_by_one {
        retry_until_done(context, || record(context, slice::from_ref(letter), parked)).await?;
    }
    Ok(())
}

/// Stores dead letters and deletes the parked event that one of them replaces.
async fn record(context: &Context, letters: &[DeadLetter], parked: Option<&str>) -> Result<(), Fault> {
    let transaction = database::begin_write(&context.database).await?;
    let recorded = write::record(&transaction, letters).await?;
    if let Some(event_id) = parked {
        parked_event::Entity::delete_by_id(event_id).exec(&transaction).await?;
    }
    transaction.commit().await?;
    row::recorded(&recorded);
    Ok(())
}
