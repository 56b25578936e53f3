//! What needs a person, as rows written in the batch's own transaction. A letter must never lose its payload, and its
//! message must never quote it.

use std::time::Duration;

use bytes::Bytes;
use careq_shared::entities::{dead_letter, event, parked_event};
use careq_shared::event::Event;
use careq_shared::message::{self, Batch, Entry};
use careq_shared::outcome::{ErrorCode, EventResult, Failure, Outcome, Parent};
use careq_shared::seal::{Place, Seal};
use careq_shared::{clock, database, redact};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use crate::fault::{EventFault, Fault, FaultClass};
use crate::lane::{Lane, Stopped};
use crate::working_set::WorkingSet;
use crate::{persist, transaction};

/// Why a letter is dead, by what a person can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The record that it refers to never came.
    MissingParent,
    /// Something of it belongs to another: its key, its hash, its `batch_id`.
    Conflict,
    /// The database can never take it.
    Data,
    /// It failed at every attempt.
    Exhausted,
    /// Its bytes are no message.
    Undecodable,
}

impl Class {
    const fn as_str(self) -> &'static str {
        match self {
            Self::MissingParent => "missing_parent",
            Self::Conflict => "conflict",
            Self::Data => "data",
            Self::Exhausted => "exhausted",
            Self::Undecodable => "undecodable",
        }
    }
}

pub(crate) fn key_reused(set: &mut WorkingSet, event: &Event) -> EventResult {
    let message =
        "The idempotency key was used before for other content; a new event needs a new key".to_owned();
    bury(set, event, Class::Conflict, Failure { code: ErrorCode::DuplicateRecord, message }, 1)
}

pub(crate) fn hash_taken(set: &mut WorkingSet, event: &Event, owner: i64) -> EventResult {
    let message =
        format!("The hash belongs to appointment {owner}; every appointment needs a hash of its own");
    bury(set, event, Class::Conflict, Failure { code: ErrorCode::DuplicateRecord, message }, 1)
}

pub(crate) fn parent_never_came(set: &mut WorkingSet, event: &Event, missing: &[Parent]) -> EventResult {
    let names: Vec<_> = missing.iter().map(|parent| format!("{} {}", parent.kind, parent.careq_id)).collect();
    let message = format!("Waited for {} until the patience was over", names.join(", "));
    bury(set, event, Class::MissingParent, Failure { code: ErrorCode::RecordNotFound, message }, 0)
}

pub(crate) fn failed(set: &mut WorkingSet, event: &Event, fault: &EventFault, attempts: i32) -> EventResult {
    let class = match fault.class {
        FaultClass::Permanent | FaultClass::Collision => Class::Data,
        FaultClass::Transient => Class::Exhausted,
    };
    bury(
        set,
        event,
        class,
        Failure { code: ErrorCode::ServerError, message: fault.message.clone() },
        attempts,
    )
}

/// An event that cannot even be written down again.
pub(crate) fn unwritable(set: &mut WorkingSet, event: &Event) -> EventResult {
    let message = "The event cannot be written by this version".to_owned();
    bury(set, event, Class::Data, Failure { code: ErrorCode::ServerError, message }, 1)
}

fn bury(set: &mut WorkingSet, event: &Event, class: Class, failure: Failure, attempts: i32) -> EventResult {
    tracing::warn!(
        event_id = %event.event_id,
        clinic_id = event.clinic_id,
        kind = %event.kind(),
        careq_id = event.careq_id,
        class = class.as_str(),
        reason = failure.message,
        payload = redact::record(&event.record),
        "an event became a dead letter"
    );
    let letter = dead_letter::Model {
        event_id: Some(event.event_id.as_str().to_owned()),
        clinic_id: Some(event.clinic_id.clone()),
        kind: Some(event.kind().as_str().to_owned()),
        careq_id: Some(event.careq_id),
        code: failure.code.as_str().to_owned(),
        message: failure.message.clone(),
        attempts,
        first_seen_at: event.accepted_at,
        ..letter(event.event_id.as_str().as_bytes(), class, &set.settings.name)
    };
    set.dead_letters.push(sealed(letter, &set.seal, &message::encode(event).unwrap_or_default()));
    EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false }
}

/// Keeps bytes that are no message.
pub(crate) async fn keep_undecodable(lane: &Lane, bodies: &[Bytes]) -> Result<(), Stopped> {
    if bodies.is_empty() {
        return Ok(());
    }
    tracing::warn!(count = bodies.len(), "messages that cannot be read became dead letters");
    let letter = |body: &Bytes| dead_letter::Model {
        code: ErrorCode::InvalidRequest.as_str().to_owned(),
        message: "The message is not one that this version can read".to_owned(),
        ..letter(body, Class::Undecodable, &lane.settings.name)
    };
    let letters = bodies.iter().map(|body| sealed(letter(body), &lane.seal, body));
    keep(lane, letters.collect(), None).await
}

/// Keeps the records of a batch that is not admitted, each as a letter of its own. They get no row in the ledger: sent
/// again in another batch, they are new.
pub(crate) async fn keep_batch(lane: &Lane, batch: &Batch, reason: &str) -> Result<(), Stopped> {
    let letters = batch.entries.iter().filter_map(|entry| match entry {
        Entry::Accepted(event) => Some(letter_of(event, &batch.content_digest, reason, lane)),
        Entry::Refused(_) => None,
    });
    keep(lane, letters.collect(), None).await
}

/// Keeps an event whose failure cannot be noted in the ledger.
pub(crate) async fn keep_unnoted(
    lane: &Lane,
    event: &Event,
    fault: &EventFault,
) -> Result<EventResult, Stopped> {
    let failure = Failure { code: ErrorCode::ServerError, message: fault.message.clone() };
    let letter = dead_letter::Model {
        class: Class::Data.as_str().to_owned(),
        code: failure.code.as_str().to_owned(),
        ..letter_of(event, "", &fault.message, lane)
    };
    keep(lane, vec![letter], Some(event.event_id.as_str())).await?;
    Ok(EventResult { outcome: Outcome::Failed(failure), appointment_status: None, replayed: false })
}

/// A letter of an event that the ledger does not know.
fn letter_of(event: &Event, scope: &str, message: &str, lane: &Lane) -> dead_letter::Model {
    let letter = dead_letter::Model {
        event_id: Some(event.event_id.as_str().to_owned()),
        clinic_id: Some(event.clinic_id.clone()),
        kind: Some(event.kind().as_str().to_owned()),
        careq_id: Some(event.careq_id),
        code: ErrorCode::DuplicateRecord.as_str().to_owned(),
        message: message.to_owned(),
        first_seen_at: event.accepted_at,
        ..letter(format!("{scope}{}", event.event_id).as_bytes(), Class::Conflict, &lane.settings.name)
    };
    sealed(letter, &lane.seal, &message::encode(event).unwrap_or_default())
}

/// Keeps a parked event that this version cannot read.
pub(crate) async fn keep_unreadable(
    lane: &Lane,
    row: &parked_event::Model,
    bytes: &[u8],
) -> Result<(), Stopped> {
    let letter = dead_letter::Model {
        event_id: Some(row.event_id.clone()),
        clinic_id: Some(row.clinic_id.clone()),
        kind: Some(row.kind.clone()),
        careq_id: Some(row.careq_id),
        code: ErrorCode::ServerError.as_str().to_owned(),
        message: "The parked event cannot be read by this version".to_owned(),
        attempts: row.attempts,
        first_seen_at: row.parked_at,
        ..letter(row.event_id.as_bytes(), Class::Undecodable, &lane.settings.name)
    };
    keep(lane, vec![sealed(letter, &lane.seal, bytes)], Some(&row.event_id)).await?;
    let noted = transaction::attempt(lane, || async { end_unreadable(lane, row).await.map_err(Fault::from) });
    if let Err(fault) = noted.await? {
        tracing::error!(
            fault.message,
            "the ledger cannot say that a parked event has failed; its letter does"
        );
    }
    Ok(())
}

async fn end_unreadable(lane: &Lane, row: &parked_event::Model) -> Result<(), DbErr> {
    event::Entity::update_many()
        .col_expr(event::Column::Outcome, Expr::value("failed"))
        .col_expr(event::Column::ErrorCode, Expr::value(ErrorCode::ServerError.as_str()))
        .filter(event::Column::EventId.eq(&row.event_id))
        .exec(&lane.database)
        .await
        .map(drop)
}

/// The letter with its payload, which only the keys open.
fn sealed(letter: dead_letter::Model, seal: &Seal, payload: &[u8]) -> dead_letter::Model {
    let payload = seal.seal(Place::dead_letter(&letter.id.to_string()), payload).into_bytes();
    dead_letter::Model { payload, ..letter }
}

/// A letter with what all have; its id follows from its content, so that a copy is the same letter.
fn letter(content: &[u8], class: Class, worker: &str) -> dead_letter::Model {
    let now = clock::now();
    dead_letter::Model {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, content),
        event_id: None,
        clinic_id: None,
        kind: None,
        careq_id: None,
        class: class.as_str().to_owned(),
        code: String::new(),
        message: String::new(),
        attempts: 1,
        first_seen_at: now,
        last_seen_at: now,
        worker: worker.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        payload: Vec::new(),
    }
}

async fn keep(lane: &Lane, letters: Vec<dead_letter::Model>, parked: Option<&str>) -> Result<(), Stopped> {
    loop {
        let kept = transaction::attempt(lane, || async {
            let transaction = database::begin_write(&lane.database).await?;
            persist::dead_letters(&transaction, &letters).await?;
            if let Some(event_id) = parked {
                parked_event::Entity::delete_by_id(event_id).exec(&transaction).await?;
            }
            transaction.commit().await.map_err(|error: DbErr| Fault::from(error))
        });
        let Err(fault) = kept.await? else { return Ok(()) };
        // It is all that is left of what CareQ was promised: nothing goes on without it.
        tracing::error!(fault.message, "a dead letter cannot be kept; trying again");
        lane.pause(Duration::from_secs(1)).await?;
    }
}
