//! Replay jobs with their progress, which is counted from the rows at each read and not stored.

use std::collections::HashMap;

use careq_shared::entities::{dead_letter, replay_job, replay_job_letter};
use careq_shared::replay::{JobLetterState, JobState};
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _,
    FromQueryResult, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dead_letters::filter::Filter;
use crate::error::Error;
use crate::page::{Cursor, Page, PageRequest};
use crate::short_id::ShortId;

/// A replay job with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// Its state.
    pub state: JobState,
    /// The filter that selected its letters; null if this version cannot read it.
    pub filter: Option<Filter>,
    /// Letters per second.
    pub rate_per_second: i32,
    /// The number of letters.
    pub letters: i64,
    /// The actor who created it.
    pub made_by: String,
    /// The time of its creation.
    pub made_at: DateTime<Utc>,
    /// When it was finished or cancelled.
    pub finished_at: Option<DateTime<Utc>>,
    /// The worker that executes it, or executed it last.
    pub worker: Option<String>,
    /// Its letters, by state.
    pub progress: Progress,
}

/// The numbers of a job's letters, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Not yet published.
    pub pending: u64,
    /// Published, and not yet settled.
    pub published: u64,
    /// Waiting for a parent or another attempt.
    pub waiting: u64,
    /// Stored.
    pub resolved: u64,
    /// Failed again.
    pub failed: u64,
    /// Skipped; the note of each gives the reason.
    pub skipped: u64,
    /// Not published, since the job was cancelled.
    pub cancelled: u64,
}

impl Job {
    /// Whether each of its dead letters has an outcome.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, JobState::Finished | JobState::Cancelled) && self.progress.waiting == 0
    }
}

impl Progress {
    fn add(&mut self, state: JobLetterState, letters: u64) {
        let count = match state {
            JobLetterState::Pending => &mut self.pending,
            JobLetterState::Published => &mut self.published,
            JobLetterState::Waiting => &mut self.waiting,
            JobLetterState::Resolved => &mut self.resolved,
            JobLetterState::Failed => &mut self.failed,
            JobLetterState::Skipped => &mut self.skipped,
            JobLetterState::Cancelled => &mut self.cancelled,
        };
        *count += letters;
    }

    /// The number of dead letters with an outcome.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.resolved + self.failed + self.skipped + self.cancelled
    }
}

/// Lists the jobs, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(database: &DatabaseConnection, page: PageRequest) -> Result<Page<Job>, Error> {
    use replay_job::Column::{Id, MadeAt};
    let select = replay_job::Entity::find().filter(page.condition(MadeAt, Id));
    let rows = select.order_by_desc(MadeAt).order_by_desc(Id).limit(page.limit + 1).all(database).await?;
    let mut progress = progress(database, rows.iter().map(|row| row.id).collect()).await?;
    let jobs = rows.into_iter().map(|row| job(&mut progress, row)).collect();
    Ok(Page::from_rows(jobs, page.limit, |job| Cursor::new(job.made_at, job.id)))
}

/// One job.
///
/// # Errors
/// The job is unknown, or the database failed.
pub async fn get(database: &impl ConnectionTrait, id: Uuid) -> Result<Job, Error> {
    let row = replay_job::Entity::find_by_id(id).one(database).await?;
    let row = row.ok_or_else(|| Error::UnknownJob(id.to_string()))?;
    let mut progress = progress(database, vec![id]).await?;
    Ok(job(&mut progress, row))
}

/// The id of the job with this id or prefix.
///
/// # Errors
/// No id matches, several do, or the database failed.
pub async fn find(database: &DatabaseConnection, id: ShortId) -> Result<Uuid, Error> {
    id.find::<replay_job::Entity>(database, replay_job::Column::Id, Error::UnknownJob).await
}

fn job(progress: &mut HashMap<Uuid, Progress>, row: replay_job::Model) -> Job {
    Job {
        // A job without rows has no progress.
        progress: progress.remove(&row.id).unwrap_or_default(),
        id: row.id,
        state: row.state,
        filter: serde_json::from_str(&row.filter).ok(),
        rate_per_second: row.rate_per_second,
        letters: row.letters,
        made_by: row.made_by,
        made_at: row.made_at,
        finished_at: row.finished_at,
        worker: row.worker,
    }
}

async fn progress(
    database: &impl ConnectionTrait,
    jobs: Vec<Uuid>,
) -> Result<HashMap<Uuid, Progress>, DbErr> {
    use replay_job_letter::Column::{JobId, LetterId, State};
    let counted: Vec<(Uuid, JobLetterState, i64)> = replay_job_letter::Entity::find()
        .select_only()
        .columns([JobId, State])
        .column_as(LetterId.count(), "letters")
        .filter(JobId.is_in(jobs))
        .group_by(JobId)
        .group_by(State)
        .into_tuple()
        .all(database)
        .await?;
    let mut progress: HashMap<Uuid, Progress> = HashMap::new();
    for (job_id, state, letters) in counted {
        progress.entry(job_id).or_default().add(state, letters.unsigned_abs());
    }
    Ok(progress)
}

/// A letter's place in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, ToSchema)]
pub struct JobLetter {
    /// The letter.
    pub letter_id: Uuid,
    /// Its place in the order of the job, from 1.
    pub position: i64,
    /// Its state in the job.
    pub state: JobLetterState,
    /// The reason, if it was skipped.
    pub note: Option<String>,
    /// The current error of the letter.
    pub message: Option<String>,
    /// The time of the last confirm of the broker.
    pub published_at: Option<DateTime<Utc>>,
    /// The time of its outcome.
    pub settled_at: Option<DateTime<Utc>>,
}

/// Lists at most `limit` dead letters of a job by position, after the position `after`, and optionally in one state only.
///
/// # Errors
/// The database failed.
pub async fn letters(
    database: &DatabaseConnection,
    id: Uuid,
    state: Option<JobLetterState>,
    after: Option<i64>,
    limit: u64,
) -> Result<Page<JobLetter>, Error> {
    use replay_job_letter::Column::{JobId, LetterId, Note, Position, PublishedAt, SettledAt, State};
    let letter =
        replay_job_letter::Entity::belongs_to(dead_letter::Entity).from(LetterId).to(dead_letter::Column::Id);
    let select = replay_job_letter::Entity::find()
        .select_only()
        .columns([LetterId, Position, State, Note, PublishedAt, SettledAt])
        .column(dead_letter::Column::Message)
        .join(JoinType::LeftJoin, letter.into())
        .filter(JobId.eq(id))
        .filter(Condition::all().add_option(after.map(|after| Position.gt(after))))
        .filter(Condition::all().add_option(state.map(|state| State.eq(state))));
    let rows = select.order_by_asc(Position).limit(limit + 1).into_model().all(database).await?;
    Ok(Page::from_rows(rows, limit, |letter: &JobLetter| letter.position))
}
