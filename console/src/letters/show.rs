//! One letter with all that is known of it. Its payload is masked, unless it is revealed, and then the audit log knew before.

use careq_shared::entities::{audit_entry, dead_letter, dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use careq_shared::seal::Seal;
use careq_shared::{clock, database};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Letter, Payload, reason};
use crate::audit::{self, Action, Actor, Deed};
use crate::schema;
use crate::{Error, ShortId};

/// Payloads that one actor can see in a minute: more than a person reads.
pub(crate) const MAX_REVEALS_PER_MINUTE: u64 = 20;

/// A letter and its history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Shown {
    /// The letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// Each time that it failed, the first one first.
    pub failures: Vec<Attempt>,
    /// Names, types and sizes of what was sent; or why it cannot be opened.
    pub payload: String,
    /// The letters that correct this one.
    pub corrections: Vec<Uuid>,
    /// The replay jobs that it was in.
    pub jobs: Vec<InJob>,
    /// Who did what with it.
    pub audit: Vec<audit::Entry>,
}

/// A time that it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, ToSchema)]
pub struct Attempt {
    /// When.
    pub at: DateTime<Utc>,
    /// The worker that saw it.
    pub worker: String,
    /// That worker's version.
    pub version: String,
    /// What went wrong.
    pub message: String,
}

/// A letter's place in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, ToSchema)]
pub struct InJob {
    /// The job.
    pub job_id: Uuid,
    /// Where it stands there.
    #[schema(schema_with = schema::job_letter_state)]
    pub state: JobLetterState,
    /// Why it was skipped.
    pub note: Option<String>,
}

/// The letter whose id this is, or begins so.
///
/// # Errors
/// There is none, or there are several; or the database's own.
pub async fn find(database: &DatabaseConnection, id: ShortId) -> Result<Uuid, Error> {
    id.find::<dead_letter::Entity>(database, dead_letter::Column::Id, Error::UnknownLetter).await
}

/// A letter with its history. Its payload is masked.
///
/// # Errors
/// There is no such letter, or the database's own.
pub async fn show(database: &DatabaseConnection, seal: &Seal, id: Uuid) -> Result<Shown, Error> {
    let letter = Letter::by_id(database, id).await?;
    Ok(Shown {
        failures: failures(database, id).await?,
        payload: match opened(database, seal, id).await {
            Ok(payload) => payload.shape(),
            Err(Error::Sealed(reason)) => format!("(cannot be opened: {reason})"),
            Err(fault) => return Err(fault),
        },
        corrections: corrections(database, id).await?,
        jobs: jobs(database, id).await?,
        audit: audit::of_letter(database, id).await?,
        letter,
    })
}

/// A letter's payload, in clear. It is written down who asked for it, and why, before it is opened; only so many can be asked for in a
/// minute, that nobody copies all of them unnoticed.
///
/// # Errors
/// The reason is none, the actor has asked too often, there is no such letter, its payload cannot be opened, or the database's own.
pub async fn reveal(
    database: &DatabaseConnection,
    seal: &Seal,
    actor: &Actor,
    id: Uuid,
    reason: &str,
) -> Result<Payload, Error> {
    let reason = reason::given(reason)?;
    let letter = Letter::by_id(database, id).await?;
    let details = json!({ "event_id": letter.event_id, "reason": reason });
    let deed = Deed { letter_id: Some(id), details, ..Deed::new(Action::Reveal) };
    let transaction = database::begin_write(database).await?;
    audit::note(&transaction, actor, deed).await?;
    // Behind the entry, which others wait for: two that ask at once are counted one after the other.
    require_few(&transaction, actor).await?;
    transaction.commit().await?;
    opened(database, seal, id).await
}

/// Counts the entries of the last minute, the new one among them.
async fn require_few(transaction: &DatabaseTransaction, actor: &Actor) -> Result<(), Error> {
    use audit_entry::Column::{Action as What, Actor as Who, At};
    let since = clock::now() - TimeDelta::minutes(1);
    let reveals = audit_entry::Entity::find()
        .filter(What.eq(Action::Reveal.as_str()))
        .filter(Who.eq(actor.name.as_str()))
        .filter(At.gt(since))
        .count(transaction)
        .await?;
    if reveals > MAX_REVEALS_PER_MINUTE { Err(Error::TooManyReveals) } else { Ok(()) }
}

async fn opened(database: &DatabaseConnection, seal: &Seal, id: Uuid) -> Result<Payload, Error> {
    let row = dead_letter::Entity::find_by_id(id).one(database).await?;
    Payload::open(seal, &row.ok_or_else(|| Error::UnknownLetter(id.to_string()))?)
}

async fn failures(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Attempt>, DbErr> {
    use dead_letter_attempt::Column::{At, LetterId, Message, Version, Worker};
    let select = dead_letter_attempt::Entity::find().select_only().columns([At, Worker, Version, Message]);
    select.filter(LetterId.eq(id)).order_by_asc(At).limit(1_000).into_model().all(database).await
}

async fn corrections(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Uuid>, DbErr> {
    use dead_letter::Column::{FirstSeenAt, Id, OriginalId};
    let select = dead_letter::Entity::find().select_only().column(Id).filter(OriginalId.eq(id));
    select.order_by_asc(FirstSeenAt).into_tuple().all(database).await
}

async fn jobs(database: &DatabaseConnection, id: Uuid) -> Result<Vec<InJob>, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, Note, State};
    let select = replay_job_letter::Entity::find().select_only().columns([JobId, State, Note]);
    select.filter(LetterId.eq(id)).limit(1_000).into_model().all(database).await
}
