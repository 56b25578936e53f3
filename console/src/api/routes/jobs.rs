//! Replay jobs: planned, created, listed, shown, paused, resumed, cancelled. A worker executes them.

use axum::Json;
use axum::http::StatusCode;
use careq_http::ApiError;
use careq_shared::replay::JobLetterState;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::dead_letters::selection;
use crate::api::auth::{Authenticated, Operator};
use crate::api::body::JsonBody;
use crate::api::error::Answer;
use crate::api::query::{PathId, Query};
use crate::dead_letters::Filter;
use crate::jobs::{self, Job, JobLetter, Plan};
use crate::limits::DEFAULT_RATE_PER_SECOND;
use crate::page::{Limit, Page, PageRequest};

/// A dry run: the number of open letters that a job with this filter would replay.
#[utoipa::path(
    get,
    path = "/replay-jobs/plan",
    params(Filter),
    responses((status = 200, description = "The number; nothing was changed", body = Plan))
)]
pub(crate) async fn plan(
    Authenticated { api, .. }: Authenticated,
    Query(filter, ..): Query<Filter>,
) -> Answer<Plan> {
    Ok(Json(jobs::plan(&api.database, &filter).await?))
}

/// The letters to replay, and the rate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob {
    /// The open letters that match.
    #[serde(default)]
    filter: Filter,
    /// Every open letter: required with an empty filter, and refused with any other.
    #[serde(default)]
    all: bool,
    /// Letters per second.
    #[serde(default = "default_rate")]
    #[schema(minimum = 1, maximum = 10_000, default = default_rate)]
    rate_per_second: u32,
}

const fn default_rate() -> u32 {
    DEFAULT_RATE_PER_SECOND
}

/// Replays open letters, at a limited rate.
#[utoipa::path(
    post,
    path = "/replay-jobs",
    request_body = NewJob,
    responses(
        (
            status = 201,
            description = "The job with its fixed letters",
            body = Job,
            links(
                ("job" = (operation_id = "job", parameters(("id" = "$response.body#/id")))),
                ("job_letters" = (operation_id = "job_letters", parameters(("id" = "$response.body#/id")))),
                ("pause" = (operation_id = "pause", parameters(("id" = "$response.body#/id")))),
                ("resume" = (operation_id = "resume", parameters(("id" = "$response.body#/id")))),
                ("cancel" = (operation_id = "cancel", parameters(("id" = "$response.body#/id"))))
            )
        ),
        (status = 404, description = "The only selected letter does not exist"),
        (status = 409, description = "No open letter matches")
    )
)]
pub(crate) async fn make_job(
    Operator { api, actor }: Operator,
    _: Query,
    JsonBody(NewJob { filter, all, rate_per_second }): JsonBody<NewJob>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let job = jobs::make(&api.database, &actor, &selection(filter, all)?, rate_per_second).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

/// Replay jobs, newest first.
#[utoipa::path(
    get,
    path = "/replay-jobs",
    params(PageRequest),
    responses((status = 200, description = "A page", body = Page<Job>))
)]
pub(crate) async fn jobs(
    Authenticated { api, .. }: Authenticated,
    Query(page, ..): Query<PageRequest>,
) -> Answer<Page<Job>> {
    Ok(Json(jobs::list(&api.database, page).await?))
}

/// One job with its progress.
#[utoipa::path(
    get,
    path = "/replay-jobs/{id}",
    params(PathId),
    responses((status = 200, description = "The job", body = Job))
)]
pub(crate) async fn job(
    Authenticated { api, .. }: Authenticated,
    PathId(id): PathId,
    _: Query,
) -> Answer<Job> {
    Ok(Json(jobs::get(&api.database, id).await?))
}

/// The requested letters of a job.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobLetters {
    /// In this state.
    state: Option<JobLetterState>,
    /// The `next` of the page before; for the first page, nothing.
    after: Option<i64>,
}

/// The letters of a job, by position.
#[utoipa::path(
    get,
    path = "/replay-jobs/{id}/letters",
    params(PathId, JobLetters, Limit),
    responses((status = 200, description = "A page", body = Page<JobLetter>))
)]
pub(crate) async fn job_letters(
    Authenticated { api, .. }: Authenticated,
    PathId(id): PathId,
    Query(JobLetters { state, after }, Limit { limit }, _): Query<JobLetters, Limit>,
) -> Answer<Page<JobLetter>> {
    jobs::get(&api.database, id).await?;
    Ok(Json(jobs::letters(&api.database, id, state, after, limit).await?))
}

/// Pauses a job: no more letters are published until it is resumed.
#[utoipa::path(
    post,
    path = "/replay-jobs/{id}/pause",
    params(PathId),
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 409, description = "The job is not running")
    )
)]
pub(crate) async fn pause(Operator { api, actor }: Operator, PathId(id): PathId, _: Query) -> Answer<Job> {
    Ok(Json(jobs::pause(&api.database, &actor, id).await?))
}

/// Resumes a paused job.
#[utoipa::path(
    post,
    path = "/replay-jobs/{id}/resume",
    params(PathId),
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 409, description = "The job is not paused")
    )
)]
pub(crate) async fn resume(Operator { api, actor }: Operator, PathId(id): PathId, _: Query) -> Answer<Job> {
    Ok(Json(jobs::resume(&api.database, &actor, id).await?))
}

/// Cancels a job. Its letters without an outcome are open again.
#[utoipa::path(
    post,
    path = "/replay-jobs/{id}/cancel",
    params(PathId),
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 409, description = "The job has ended")
    )
)]
pub(crate) async fn cancel(Operator { api, actor }: Operator, PathId(id): PathId, _: Query) -> Answer<Job> {
    Ok(Json(jobs::cancel(&api.database, &actor, id).await?))
}
