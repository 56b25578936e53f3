//! Dead letters as workers leave them, written by the test: many in one statement, or one whose cause does not
//! matter.

use careq_shared::clock;
use careq_shared::dead_letters::{self, Class, DeadLetterState};
use careq_shared::entities::{dead_letter, event};
use careq_shared::event::Event;
use careq_shared::message;
use careq_shared::records::Kind;
use careq_shared::seal::{AssociatedData, Seal};
use sea_orm::{DatabaseConnection, EntityTrait as _, IntoActiveModel as _};
use uuid::Uuid;

use crate::harness::{accept, patient, seal};

/// Inserts dead letters and the ledger rows of their failed events. Returns the letters' ids.
pub(super) async fn insert_letters(database: &DatabaseConnection, events: &[Event]) -> Vec<Uuid> {
    let seal = seal();
    let rows = events.iter().map(|event| ledger_row(event).into_active_model());
    event::Entity::insert_many(rows).exec_without_returning(database).await.unwrap();
    let letters = events.iter().map(|event| letter(&seal, event).into_active_model());
    dead_letter::Entity::insert_many(letters).exec_without_returning(database).await.unwrap();
    events.iter().map(|event| dead_letters::letter_id(event.event_id.as_str())).collect()
}

/// Inserts a dead letter of bytes that cannot be decoded, and returns its id.
pub(super) async fn insert_letter_of_bytes(database: &DatabaseConnection, bytes: &[u8]) -> Uuid {
    let id = dead_letters::id_of(bytes);
    let any = accept(Kind::Patient, &patient(1), clock::now());
    let unreadable = dead_letter::Model {
        id,
        event_id: None,
        clinic_id: None,
        kind: None,
        careq_id: None,
        class: Class::Undecodable.to_string(),
        payload: seal().seal(AssociatedData::dead_letter(&id.to_string()), bytes).into_bytes(),
        ..letter(&seal(), &any)
    };
    dead_letter::Entity::insert(unreadable.into_active_model()).exec(database).await.unwrap();
    id
}

const MESSAGE: &str = "The database refused it: error 23514";

fn ledger_row(event: &Event) -> event::Model {
    event::Model {
        event_id: event.event_id.to_string(),
        clinic_id: event.clinic_id.clone(),
        idempotency_key: event.idempotency_key.as_str().to_owned(),
        content_digest: event.content_digest.clone(),
        kind: event.kind().to_string(),
        careq_id: event.careq_id,
        accepted_at: event.accepted_at,
        outcome: "failed".to_owned(),
        appointment_status: None,
        error_code: Some("SERVER_ERROR".to_owned()),
        error_message: Some(MESSAGE.to_owned()),
        waiting_for: None,
        settled_at: event.accepted_at,
        repeated_at: None,
    }
}

fn letter(seal: &Seal, event: &Event) -> dead_letter::Model {
    let id = dead_letters::letter_id(event.event_id.as_str());
    let payload = seal.seal(AssociatedData::dead_letter(&id.to_string()), &message::encode(event).unwrap());
    dead_letter::Model {
        id,
        event_id: Some(event.event_id.to_string()),
        clinic_id: Some(event.clinic_id.clone()),
        kind: Some(event.kind().to_string()),
        careq_id: Some(event.careq_id),
        class: Class::Data.to_string(),
        code: "SERVER_ERROR".to_owned(),
        message: MESSAGE.to_owned(),
        attempts: 1,
        first_seen_at: event.accepted_at,
        last_seen_at: event.accepted_at,
        worker: "test".to_owned(),
        version: "test".to_owned(),
        payload: payload.into_bytes(),
        state: DeadLetterState::Open,
        fingerprint: dead_letters::fingerprint(
            Class::Data,
            "SERVER_ERROR",
            Some(event.kind().as_str()),
            MESSAGE,
        ),
        settled_at: None,
        reason: None,
        original_id: None,
        job_id: None,
        audit_id: None,
        accepted_at: event.may_come_again().then_some(event.accepted_at),
        waiting_kind: None,
        waiting_careq_id: None,
    }
}
