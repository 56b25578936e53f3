//! Letters that are written by themselves, for want of a batch that could take them. Nothing may go on before each is kept: it is
//! all that is left of what CareQ was promised.

use std::slice;
use std::time::Duration;

use bytes::Bytes;
use careq_shared::database;
use careq_shared::dead_letters::Class;
use careq_shared::entities::{event, parked_event};
use careq_shared::event::Event;
use careq_shared::message::{Batch, Entry};
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};

use super::{Letter, write};
use crate::attempt::attempt;
use crate::bounds::{self, MAX_TRANSACTION};
use crate::fault::{EventFault, Fault};
use crate::lane::{Lane, Stopped};

/// Keeps bytes that are no message.
pub(crate) async fn keep_undecodable(lane: &Lane, bodies: &[Bytes]) -> Result<(), Stopped> {
    if bodies.is_empty() {
        return Ok(());
    }
    let failure = Failure {
        code: ErrorCode::InvalidRequest,
        message: "The message is not one that this version can read".to_owned(),
    };
    let letter = |body: &Bytes| {
        Letter::of_bytes(body, &lane.settings.name)
            .because(Class::Undecodable, &failure)
            .sealed(&lane.seal, body)
    };
    keep(lane, bodies.iter().map(letter).collect(), None).await
}

/// Keeps the records of a batch that is not admitted, each as a letter of its own. They get no row in the ledger: sent
/// again in another batch, they are new.
pub(crate) async fn keep_batch(
    lane: &Lane,
    batch: &Batch,
    class: Class,
    reason: &str,
) -> Result<(), Stopped> {
    let code = if class == Class::Conflict { ErrorCode::DuplicateRecord } else { ErrorCode::ServerError };
    let failure = Failure { code, message: reason.to_owned() };
    let letters = batch.entries.iter().filter_map(|entry| match entry {
        Entry::Accepted(event) => Some(of_event(lane, event, class, &failure)),
        Entry::Refused(_) => None,
    });
    keep(lane, letters.collect(), None).await
}

/// Keeps an event whose failure cannot be noted as that of every other.
pub(crate) async fn keep_unnoted(
    lane: &Lane,
    event: &Event,
    fault: &EventFault,
) -> Result<EventResult, Stopped> {
    let failure = Failure { code: ErrorCode::ServerError, message: fault.message.clone() };
    let letter = of_event(lane, event, Class::Data, &failure);
    keep(lane, vec![letter], Some(event.event_id.as_str())).await?;
    end(lane, event.event_id.as_str(), &failure).await?;
    Ok(EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false })
}

fn of_event(lane: &Lane, event: &Event, class: Class, failure: &Failure) -> Letter {
    Letter::of_event(event, &lane.settings.name)
        .because(class, failure)
        .sealed(&lane.seal, &super::payload(event))
}

/// Keeps a parked event that this version cannot read.
pub(crate) async fn keep_unreadable(
    lane: &Lane,
    row: &parked_event::Model,
    bytes: &[u8],
) -> Result<(), Stopped> {
    let failure = Failure {
        code: ErrorCode::ServerError,
        message: "The parked event cannot be read by this version".to_owned(),
    };
    let letter = Letter::of_parked(row, &lane.settings.name)
        .because(Class::Undecodable, &failure)
        .tried(row.attempts.max(1), crate::retry::tries(row))
        .sealed(&lane.seal, bytes);
    keep(lane, vec![letter], Some(&row.event_id)).await?;
    end(lane, &row.event_id, &failure).await
}

/// Where the ledger says that an event waits, it says that it has failed from here on: nothing is left that could end its waiting.
async fn end(lane: &Lane, event_id: &str, failure: &Failure) -> Result<(), Stopped> {
    let noted = attempt(lane, || async {
        let row = event::Entity::update_many()
            .col_expr(event::Column::Outcome, Expr::value("failed"))
            .col_expr(event::Column::ErrorCode, Expr::value(failure.code.as_str()))
            .col_expr(event::Column::ErrorMessage, Expr::value(failure.message.as_str()))
            .col_expr(event::Column::WaitingFor, Expr::value(Option::<String>::None))
            .filter(event::Column::EventId.eq(event_id))
            .filter(event::Column::Outcome.is_in(["waiting", "retrying"]));
        row.exec(&lane.database).await.map_err(|error: DbErr| Fault::from(error))
    });
    if let Err(fault) = noted.await? {
        tracing::error!(fault.message, "the ledger cannot say that an event has failed; its letter does");
    }
    Ok(())
}

/// Keeps letters in transactions of so many bytes; one that cannot be kept must not hold up the others.
async fn keep(lane: &Lane, letters: Vec<Letter>, parked: Option<&str>) -> Result<(), Stopped> {
    let mut alone = Vec::new();
    for part in bounds::parts(&letters, letters.len(), MAX_TRANSACTION) {
        match kept(lane, part, parked).await? {
            Ok(()) => {}
            Err(_) => alone.extend(part),
        }
    }
    for letter in alone {
        while let Err(fault) = kept(lane, slice::from_ref(letter), parked).await? {
            tracing::error!(fault.message, "a dead letter cannot be kept; trying again");
            lane.pause(Duration::from_secs(1)).await?;
        }
    }
    Ok(())
}

async fn kept(
    lane: &Lane,
    letters: &[Letter],
    parked: Option<&str>,
) -> Result<Result<(), EventFault>, Stopped> {
    let kept = attempt(lane, || async {
        let transaction = database::begin_write(&lane.database).await?;
        let failed = write::opened(&transaction, letters).await?;
        if let Some(event_id) = parked {
            parked_event::Entity::delete_by_id(event_id).exec(&transaction).await?;
        }
        transaction.commit().await.map_err(|error: DbErr| Fault::from(error))?;
        Ok(failed)
    });
    Ok(kept.await?.map(|failed| super::told(&failed)))
}
