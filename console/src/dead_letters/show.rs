//! One dead letter with its history. Its payload is masked.

use careq_shared::entities::{dead_letter, dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::DeadLetter;
use super::payload::Payload;
use crate::audit::entries;
use crate::error::Error;
use crate::schema;
use crate::short_id::ShortId;

/// The most rows of each part of the history.
const MAX_HISTORY_ROWS: u64 = 1_000;

/// A letter and its history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Shown)]
pub struct DeadLetterDetails {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Each time that it failed, the first one first.
    pub failures: Vec<Attempt>,
    /// Names, types and sizes of what was sent; or why it cannot be opened.
    pub payload: String,
    /// The letters that correct this one.
    pub corrections: Vec<Uuid>,
    /// The replay jobs that it was in.
    pub jobs: Vec<JobMembership>,
    /// Who did what with it.
    pub audit: Vec<entries::Entry>,
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
#[schema(as = InJob)]
pub struct JobMembership {
    /// The job.
    pub job_id: Uuid,
    /// Where it stands there.
    #[schema(schema_with = schema::job_letter_state)]
    pub state: JobLetterState,
    /// Why it was skipped.
    pub note: Option<String>,
}

/// The id of the dead letter with this id or prefix.
///
/// # Errors
/// No id matches, several do, or the database failed.
pub async fn find(database: &DatabaseConnection, id: ShortId) -> Result<Uuid, Error> {
    id.find::<dead_letter::Entity>(database, dead_letter::Column::Id, Error::UnknownLetter).await
}

/// A dead letter with its history. Its payload is masked.
///
/// # Errors
/// The dead letter is unknown, or the database failed.
pub async fn show(database: &DatabaseConnection, seal: &Seal, id: Uuid) -> Result<DeadLetterDetails, Error> {
    let letter = DeadLetter::by_id(database, id).await?;
    Ok(DeadLetterDetails {
        failures: failures(database, id).await?,
        payload: match Payload::read(database, seal, id).await {
            Ok(payload) => payload.shape(),
            Err(Error::Sealed(reason)) => format!("(cannot be opened: {reason})"),
            Err(fault) => return Err(fault),
        },
        corrections: corrections(database, id).await?,
        jobs: jobs(database, id).await?,
        audit: entries::of_letter(database, id).await?,
        letter,
    })
}

async fn failures(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Attempt>, DbErr> {
    use dead_letter_attempt::Column::{At, LetterId, Message, Version, Worker};
    let select = dead_letter_attempt::Entity::find().select_only().columns([At, Worker, Version, Message]);
    select.filter(LetterId.eq(id)).order_by_asc(At).limit(MAX_HISTORY_ROWS).into_model().all(database).await
}

async fn corrections(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Uuid>, DbErr> {
    use dead_letter::Column::{FirstSeenAt, Id, OriginalId};
    let select = dead_letter::Entity::find().select_only().column(Id).filter(OriginalId.eq(id));
    select.order_by_asc(FirstSeenAt).into_tuple().all(database).await
}

async fn jobs(database: &DatabaseConnection, id: Uuid) -> Result<Vec<JobMembership>, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, Note, State};
    let select = replay_job_letter::Entity::find().select_only().columns([JobId, State, Note]);
    select.filter(LetterId.eq(id)).limit(MAX_HISTORY_ROWS).into_model().all(database).await
}
