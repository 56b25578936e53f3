//! Replay jobs: planned, made, listed, shown, paused, resumed, cancelled. A worker carries them out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::asked::{Body, Id, Words, chosen};
use super::guard::Operator;
use super::openapi::{Paged, Parameter, acting, reading};
use super::problem::Problem;
use super::server::Api;
use crate::Error;
use crate::audit::Actor;
use crate::jobs::{self, Job, JobLetter, Plan};
use crate::letters::Filter;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    let control = |name: &str, summary: &str, conflict: &str, handler: MethodRouter<Arc<Api>>| {
        acting(name, &format!("/replay-jobs/{{id}}/{name}"), summary)
            .answers::<Job>("200", "The job")
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
            .query(&Parameter::FILTER)
            .answers::<Plan>("200", "How many; nothing was changed")
            .handled_by(get(plan)),
        )
        .routes(
            acting("make_job", "/replay-jobs", "Replays open letters, at most so many a second")
                .takes::<NewJob>()
                .leads_to(&["job", "job_letters", "pause", "resume", "cancel"], "/id")
                .answers::<Job>("201", "The job; its letters are fixed")
                .not_found("The one letter that is named does not exist")
                .conflict("No open letter matches, or none can be replayed as it is")
                .handled_by(post(make)),
        )
        .routes(
            reading("jobs", "/replay-jobs", "Replay jobs, the newest first")
                .query(&Parameter::PAGE)
                .lists::<Job>("A page")
                .handled_by(get(list)),
        )
        .routes(
            reading("job", "/replay-jobs/{id}", "One job, and how far it is")
                .answers::<Job>("200", "The job")
                .not_found("There is no such job")
                .handled_by(get(show)),
        )
        .routes(
            reading("job_letters", "/replay-jobs/{id}/letters", "The letters of a job, in its order")
                .query(&[Parameter::JOB_LETTER_STATE])
                .query(&Parameter::PAGE)
                .lists::<JobLetter>("A page")
                .not_found("There is no such job")
                .handled_by(get(letters)),
        )
        .routes(control("pause", "Publishes no more until it is resumed", "It does not run", turned(pause)))
        .routes(control("resume", "Goes on", "It is not paused", turned(resume)))
        .routes(control(
            "cancel",
            "Ends it; what has no outcome yet is open again",
            "It is at its end",
            turned(cancel),
        ))
}

async fn plan(State(api): State<Arc<Api>>, mut words: Words) -> Result<Json<Plan>, Problem> {
    let filter = words.filter();
    words.end()?;
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
    #[serde(default = "usual")]
    #[schema(minimum = 1, maximum = 10_000)]
    rate_per_second: u32,
}

const fn usual() -> u32 {
    jobs::USUAL_PER_SECOND
}

async fn make(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    words: Words,
    Body(NewJob { filter, all, rate_per_second }): Body<NewJob>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    words.end()?;
    let job = jobs::make(&api.database, &actor, &chosen(filter, all)?, rate_per_second).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

async fn list(State(api): State<Arc<Api>>, mut words: Words) -> Result<Json<Paged<Job>>, Problem> {
    let page = words.page();
    words.end()?;
    Ok(Json(jobs::list(&api.database, page).await?.into()))
}

async fn show(State(api): State<Arc<Api>>, Id(id): Id, words: Words) -> Result<Json<Job>, Problem> {
    words.end()?;
    Ok(Json(jobs::get(&api.database, id).await?))
}

async fn letters(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    mut words: Words,
) -> Result<Json<Paged<JobLetter>>, Problem> {
    let (state, page) = (words.one("state"), words.page());
    words.end()?;
    jobs::get(&api.database, id).await?;
    Ok(Json(jobs::letters(&api.database, id, state, page).await?.into()))
}

/// A handler that turns a job.
fn turned<F>(turn: fn(Arc<Api>, Actor, Uuid) -> F) -> MethodRouter<Arc<Api>>
where
    F: Future<Output = Result<Job, Error>> + Send + 'static,
{
    post(move |State(api): State<Arc<Api>>, Operator(actor): Operator, Id(id): Id, words: Words| async move {
        words.end()?;
        Ok::<_, Problem>(Json(turn(api, actor, id).await?))
    })
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
