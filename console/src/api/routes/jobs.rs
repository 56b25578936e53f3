//! Replay jobs: planned, created, listed, shown, paused, resumed, cancelled. A worker executes them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::api::extract::body::JsonBody;
use crate::api::extract::filter::{InJobState, selection};
use crate::api::extract::path_id::PathId;
use crate::api::extract::query::Query;
use crate::api::middleware::auth::Operator;
use crate::api::openapi::bodies::Paged;
use crate::api::openapi::operation::{acting, reading};
use crate::api::state::Api;
use crate::dead_letters::Filter;
use crate::error::Error;
use crate::jobs::{self, Job, JobLetter, Plan};
use crate::limits::DEFAULT_RATE_PER_SECOND;
use crate::page::PageRequest;
use careq_shared::audit::Actor;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    let control = |name: &str, summary: &str, conflict: &str, handler: MethodRouter<Arc<Api>>| {
        acting(name, &format!("/replay-jobs/{{id}}/{name}"), summary)
            .responds::<Job>("200", "The job")
            .not_found("There is no such job")
            .conflict(conflict)
            .handled_by(handler)
    };
    OpenApiRouter::new()
        .routes(
            reading(
                "plan",
                "/replay-jobs/plan",
                "A dry run: how many open letters a filter would replay or discard now",
            )
            .query::<Filter>()
            .responds::<Plan>("200", "How many; nothing was changed")
            .handled_by(get(plan)),
        )
        .routes(
            acting("make_job", "/replay-jobs", "Replays open letters, at most so many a second")
                .takes::<NewJob>()
                .links_to(&["job", "job_letters", "pause", "resume", "cancel"], "/id")
                .responds::<Job>("201", "The job; its letters are fixed")
                .not_found("The one letter that is named does not exist")
                .conflict("No open letter matches, or none can be replayed as it is")
                .handled_by(post(make)),
        )
        .routes(
            reading("jobs", "/replay-jobs", "Replay jobs, the newest first")
                .query::<PageRequest>()
                .lists::<Job>("A page")
                .handled_by(get(list)),
        )
        .routes(
            reading("job", "/replay-jobs/{id}", "One job, and how far it is")
                .responds::<Job>("200", "The job")
                .not_found("There is no such job")
                .handled_by(get(show)),
        )
        .routes(
            reading("job_letters", "/replay-jobs/{id}/letters", "The letters of a job, in its order")
                .query::<(InJobState, PageRequest<i64>)>()
                .lists::<JobLetter>("A page")
                .not_found("There is no such job")
                .handled_by(get(letters)),
        )
        .routes(control(
            "pause",
            "Publishes no more until it is resumed",
            "It does not run",
            change_handler(pause),
        ))
        .routes(control("resume", "Goes on", "It is not paused", change_handler(resume)))
        .routes(control(
            "cancel",
            "Ends it; what has no outcome yet is open again",
            "It is at its end",
            change_handler(cancel),
        ))
}

async fn plan(State(api): State<Arc<Api>>, Query(filter): Query<Filter>) -> Result<Json<Plan>, ApiError> {
    Ok(Json(jobs::plan(&api.database, &filter).await?))
}

/// Which letters to replay, and how fast.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewJob {
    /// The open letters that match.
    #[serde(default)]
    filter: Filter,
    /// Every open letter: needed with an empty filter, and refused with any other.
    #[serde(default)]
    all: bool,
    /// Letters per second; 100 unless it is said otherwise.
    #[serde(default = "default_rate")]
    #[schema(minimum = 1, maximum = 10_000)]
    rate_per_second: u32,
}

const fn default_rate() -> u32 {
    DEFAULT_RATE_PER_SECOND
}

async fn make(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    _: Query<()>,
    JsonBody(NewJob { filter, all, rate_per_second }): JsonBody<NewJob>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let job = jobs::make(&api.database, &actor, &selection(filter, all)?, rate_per_second).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

async fn list(
    State(api): State<Arc<Api>>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Paged<Job>>, ApiError> {
    Ok(Json(jobs::list(&api.database, page).await?.into()))
}

async fn show(State(api): State<Arc<Api>>, PathId(id): PathId, _: Query<()>) -> Result<Json<Job>, ApiError> {
    Ok(Json(jobs::get(&api.database, id).await?))
}

async fn letters(
    State(api): State<Arc<Api>>,
    PathId(id): PathId,
    Query((InJobState(state), page)): Query<(InJobState, PageRequest<i64>)>,
) -> Result<Json<Paged<JobLetter>>, ApiError> {
    jobs::get(&api.database, id).await?;
    Ok(Json(jobs::letters(&api.database, id, state, page).await?.into()))
}

/// A handler that changes the state of a job.
fn change_handler<F>(change: fn(Arc<Api>, Actor, Uuid) -> F) -> MethodRouter<Arc<Api>>
where
    F: Future<Output = Result<Job, Error>> + Send + 'static,
{
    post(
        move |State(api): State<Arc<Api>>, Operator(actor): Operator, PathId(id): PathId, _: Query<()>| async move {
            Ok::<_, ApiError>(Json(change(api, actor, id).await?))
        },
    )
}

async fn pause(api: Arc<Api>, actor: Actor, id: Uuid) -> Result<Job, Error> {
    jobs::pause(&api.database, &actor, id).await
}

async fn resume(api: Arc<Api>, actor: Actor, id: Uuid) -> Result<Job, Error> {
    jobs::resume(&api.database, &actor, id).await
}

async fn cancel(api: Arc<Api>, actor: Actor, id: Uuid) -> Result<Job, Error> {
    jobs::cancel(&api.database, &actor, id).await
}
