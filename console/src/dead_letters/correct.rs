//! Correction of a dead letter. The corrected body passes the field rules of the webhooks and becomes the event that CareQ would have
//! sent. It has a dead letter of its own, which a job replays; the original stays, superseded, and each refers to the other.

use careq_shared::audit::{self, Action, Actor, Deed};
use careq_shared::dead_letters::{Class, DeadLetterState, fingerprint, letter_id};
use careq_shared::entities::{clinic, dead_letter, event};
use careq_shared::event::{Event, Origin};
use careq_shared::event_key::EventKey;
use careq_shared::json::Document;
use careq_shared::message;
use careq_shared::records::{self, Kind, Limits};
use careq_shared::seal::{AssociatedData, Seal, Sealed};
use careq_shared::{clock, database};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::Selection;
use super::list::nothing_open;
use super::payload::Payload;
use crate::error::Error;
use crate::jobs::job::Job;
use crate::jobs::make::make_in;

/// A correction of a dead letter.
#[derive(Clone)]
pub struct Correction {
    /// The whole body, as CareQ would send it.
    pub body: Document,
    /// The kind of the event, required where the dead letter's is unknown.
    pub kind: Option<Kind>,
    /// The limits of the field rules, which are those of the ingress.
    pub limits: Limits,
}

impl std::fmt::Debug for Correction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Correction").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A correction that is on its way.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Corrected {
    /// The letter of the correction.
    pub letter_id: Uuid,
    /// The id of the corrected event.
    pub event_id: String,
    /// The job that replays it.
    pub job: Job,
}

/// Corrects an open dead letter and creates a job that replays the correction.
///
/// The event id follows from the content, so a later webhook with the same body is a duplicate of the correction. The event keeps
/// the acceptance time of the original, so it overwrites no newer version, unless its own `updated_at` is newer.
///
/// # Errors
/// The dead letter is not open, the body breaks a field rule, names another clinic or equals the original, or the database failed.
pub async fn correct(
    database: &DatabaseConnection,
    seal: &Seal,
    actor: &Actor,
    id: Uuid,
    correction: Correction,
) -> Result<Corrected, Error> {
    let row = dead_letter::Entity::find_by_id(id).one(database).await?;
    let original = row.ok_or_else(|| Error::UnknownLetter(id.to_string()))?;
    let kind = kind(&original, correction.kind)?;
    let identified = records::read(kind, &correction.body.object(), correction.limits, clock::now())
        .map_err(Error::Invalid)?;
    if let Some(clinic_id) = original.clinic_id.as_ref().filter(|id| **id != identified.clinic_id) {
        return Err(Error::OtherClinic(clinic_id.clone()));
    }
    let key = event_key(database, seal, &identified.clinic_id).await?;
    let accepted_at = accepted_at(database, seal, &original).await?;
    let origin = Origin {
        event_key: &key,
        idempotency_key: None,
        canonical_body: correction.body.text(),
        accepted_at,
    };
    let event = Event::accept(identified, origin);
    if original.event_id.as_deref() == Some(event.event_id.as_str()) {
        return Err(Error::NothingCorrected(id));
    }

    let transaction = database::begin_write(database).await?;
    let letter_id = insert_or_link(&transaction, seal, &original, &event).await?;
    let deed = Deed::new(Action::Correct);
    supersede(&transaction, id, deed.id).await?;
    let job = make_in(&transaction, actor, &Selection::only(letter_id), 1).await?;
    let details = json!({ "correction": letter_id });
    let deed = Deed { letter_id: Some(id), job_id: Some(job.id), details, ..deed };
    audit::note(&transaction, actor, deed).await?;
    transaction.commit().await?;
    Ok(Corrected { letter_id, event_id: event.event_id.to_string(), job })
}

fn kind(original: &dead_letter::Model, given: Option<Kind>) -> Result<Kind, Error> {
    let known: Option<Kind> = original.kind.as_deref().and_then(|word| word.parse().ok());
    match (known, given) {
        (Some(known), Some(given)) if known != given => Err(Error::OtherKind(known)),
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => Err(Error::KindIsMissing),
    }
}

/// The key that the clinic's event ids are derived with.
async fn event_key(database: &DatabaseConnection, seal: &Seal, clinic_id: &str) -> Result<EventKey, Error> {
    let row = clinic::Entity::find_by_id(clinic_id).one(database).await?;
    let row = row.ok_or_else(|| Error::UnknownClinic(clinic_id.to_owned()))?;
    Ok(EventKey::open(seal, clinic_id, &Sealed::stored_bytes(&row.event_key))?)
}

/// The latest acceptance time of the original event, since CareQ may have sent it again meanwhile. For bytes that could not be decoded,
/// the time when they were first seen.
async fn accepted_at(
    database: &DatabaseConnection,
    seal: &Seal,
    original: &dead_letter::Model,
) -> Result<DateTime<Utc>, Error> {
    let accepted_at = match Payload::open(seal, original) {
        Ok(Payload::Event(event)) => event.accepted_at,
        Ok(Payload::Bytes(_)) | Err(_) => original.first_seen_at,
    };
    let Some(event_id) = &original.event_id else { return Ok(accepted_at) };
    let ledger_row = event::Entity::find_by_id(event_id.as_str()).one(database).await?;
    Ok(ledger_row.map_or(accepted_at, |row| row.accepted_at.max(accepted_at)))
}

/// Inserts the correction's own dead letter, open until its job replays it. One with the same event is linked instead.
async fn insert_or_link(
    transaction: &DatabaseTransaction,
    seal: &Seal,
    original: &dead_letter::Model,
    event: &Event,
) -> Result<Uuid, Error> {
    let id = letter_id(event.event_id.as_str());
    if let Some(known) = dead_letter::Entity::find_by_id(id).one(transaction).await? {
        if known.state != DeadLetterState::Open {
            return Err(Error::CorrectionExists(id, known.state));
        }
        link(transaction, seal, &known, original.id, event).await?;
        return Ok(id);
    }
    let kind = event.kind().as_str();
    let message = format!("A correction of dead letter {}, not yet tried", original.id);
    let payload = encoded(event)?;
    let letter = dead_letter::Model {
        id,
        event_id: Some(event.event_id.to_string()),
        clinic_id: Some(event.clinic_id.clone()),
        kind: Some(kind.to_owned()),
        careq_id: Some(event.careq_id),
        fingerprint: fingerprint(Class::Correction, &original.code, Some(kind), &message),
        class: Class::Correction.as_str().to_owned(),
        message,
        attempts: 0,
        first_seen_at: event.accepted_at,
        last_seen_at: clock::now(),
        payload: seal.seal(AssociatedData::dead_letter(&id.to_string()), &payload).into_bytes(),
        state: DeadLetterState::Open,
        settled_at: None,
        reason: None,
        original_id: Some(original.id),
        job_id: None,
        audit_id: None,
        accepted_at: event.may_come_again().then_some(event.accepted_at),
        waiting_kind: None,
        waiting_careq_id: None,
        ..original.clone()
    };
    dead_letter::Entity::insert(letter.into_active_model()).exec_without_returning(transaction).await?;
    Ok(id)
}

/// Makes an existing dead letter the correction of the original. Its acceptance time becomes the later of the two.
async fn link(
    database: &impl ConnectionTrait,
    seal: &Seal,
    known: &dead_letter::Model,
    original_id: Uuid,
    event: &Event,
) -> Result<(), Error> {
    use dead_letter::Column::{AcceptedAt, Id, OriginalId};
    let mut update = dead_letter::Entity::update_many()
        .col_expr(OriginalId, Expr::value(original_id))
        .filter(Id.eq(known.id));
    if event.may_come_again() && known.accepted_at.is_none_or(|known| known < event.accepted_at) {
        let payload =
            seal.seal(AssociatedData::dead_letter(&known.id.to_string()), &encoded(event)?).into_bytes();
        update = update
            .col_expr(AcceptedAt, Expr::value(event.accepted_at))
            .col_expr(dead_letter::Column::Payload, Expr::value(payload));
    }
    update.exec(database).await?;
    Ok(())
}

fn encoded(event: &Event) -> Result<Vec<u8>, DbErr> {
    message::encode(event).map_err(|fault| DbErr::Custom(fault.to_string()))
}

async fn supersede(transaction: &DatabaseTransaction, id: Uuid, audit_id: Uuid) -> Result<(), Error> {
    use dead_letter::Column::{AuditId, Id, SettledAt, State};
    let superseded = dead_letter::Entity::update_many()
        .col_expr(State, Expr::value(DeadLetterState::Superseded))
        .col_expr(SettledAt, Expr::value(clock::now()))
        .col_expr(AuditId, Expr::value(audit_id))
        .filter(Id.eq(id))
        .filter(State.eq(DeadLetterState::Open))
        .exec(transaction)
        .await?;
    if superseded.rows_affected == 0 {
        return Err(nothing_open(transaction, Selection::only(id).filter()).await);
    }
    Ok(())
}
