//! One dead letter with its history. Its payload is masked.

use careq_shared::entities::{dead_letter, dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, DerivePartialModel, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::DeadLetter;
use super::payload::Payload;
use crate::audit::entries;
use crate::error::Error;
use crate::short_id::ShortId;

/// The most rows of each part of the history.
const MAX_HISTORY_ROWS: u64 = 1_000;

/// A dead letter with its history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeadLetterDetails {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The failed attempts, oldest first.
    pub failures: Vec<Attempt>,
    /// Names, types and sizes of the members of the payload; or why it cannot be opened.
    pub payload: String,
    /// The letters that correct it.
    pub corrections: Vec<Uuid>,
    /// The replay jobs that contain it.
    pub jobs: Vec<JobMembership>,
    /// Its entries in the audit log.
    pub audit: Vec<entries::Entry>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, DerivePartialModel, ToSchema)]
#[sea_orm(entity = "dead_letter_attempt::Entity")]
pub struct Attempt {
    /// The time.
    pub at: DateTime<Utc>,
    /// The worker.
    pub worker: String,
    /// The worker's version.
    pub version: String,
    /// The error.
    pub message: String,
}

/// A replay job that contains the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, DerivePartialModel, ToSchema)]
#[sea_orm(entity = "replay_job_letter::Entity")]
pub struct JobMembership {
    /// The job.
    pub job_id: Uuid,
    /// The letter's state in the job.
    pub state: JobLetterState,
    /// The reason, if it was skipped.
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
        audit: entries::about_letter(database, id).await?,
        letter,
    })
}

async fn failures(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Attempt>, DbErr> {
    use dead_letter_attempt::Column::{At, LetterId};
    let select = dead_letter_attempt::Entity::find().filter(LetterId.eq(id)).order_by_asc(At);
    select.limit(MAX_HISTORY_ROWS).into_partial_model().all(database).await
}

async fn corrections(database: &DatabaseConnection, id: Uuid) -> Result<Vec<Uuid>, DbErr> {
    use dead_letter::Column::{FirstSeenAt, Id, OriginalId};
    let select = dead_letter::Entity::find().select_only().column(Id).filter(OriginalId.eq(id));
    select.order_by_asc(FirstSeenAt).into_tuple().all(database).await
}

async fn jobs(database: &DatabaseConnection, id: Uuid) -> Result<Vec<JobMembership>, DbErr> {
    let select = replay_job_letter::Entity::find().filter(replay_job_letter::Column::LetterId.eq(id));
    select.limit(MAX_HISTORY_ROWS).into_partial_model().all(database).await
}
