//! A job's progress as server-sent events (WHATWG HTML, "Server-sent events"). Each says where the job stands, whole, read from its
//! rows: whoever misses some has missed nothing. A stream must never outlive its job, its admin's token, or the process.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use careq_http::single_header;
use careq_shared::canonical;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::asked::{Id, Words};
use super::guard::Caller;
use super::openapi::{Parameter, reading};
use super::problem::Problem;
use super::server::Api;
use crate::jobs::{self, Job};

/// How often a job is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A half-open connection to the database never answers.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// So that nothing between takes a stream without news for a dead one.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(
        reading(
            "progress",
            "/replay-jobs/{id}/progress",
            "Follows a job, as server-sent events, until it is over",
        )
        .query(&[Parameter::LAST_EVENT_ID])
        .streams::<Job>(
            "`progress` where something has changed, at most once a second, and `end` as the last",
        )
        .empty("204", "The job is over, and `Last-Event-ID` is its end: there is nothing to come back for")
        .not_found("There is no such job")
        .handled_by(get(follow)),
    )
}

async fn follow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id,
    words: Words,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    words.end()?;
    let job = jobs::get(&api.database, id).await?;
    let told = single_header(&headers, "last-event-id").ok().flatten().map(str::to_owned);
    if job.is_over() && told.as_deref() == Some(News::of(&job).id.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| Problem::too_many_streams())?;
    let watch =
        Watch { api, caller, job_id: id, told, look_at: Instant::now(), is_over: false, _place: place };
    let events = stream::unfold(watch, Watch::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT_EVERY)).into_response())
}

/// Where a job stands, and a name for that.
struct News {
    id: String,
    json: String,
}

impl News {
    fn of(job: &Job) -> Self {
        let json = serde_json::to_string(job).unwrap_or_default();
        let id = canonical::sha256_hex(&[json.as_bytes()]).chars().take(16).collect();
        Self { id, json }
    }
}

/// A job that is followed.
struct Watch {
    api: Arc<Api>,
    caller: Caller,
    job_id: Uuid,
    /// What the client knows.
    told: Option<String>,
    look_at: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Watch {
    /// The next event, when there is one.
    async fn next(mut self) -> Option<(Result<Event, std::convert::Infallible>, Self)> {
        let shutdown = self.api.shutdown.clone();
        let event = shutdown.run_until_cancelled(self.news()).await??;
        Some((Ok(event), self))
    }

    /// Looks at the job until there is something to tell. While the database is away, there is not.
    async fn news(&mut self) -> Option<Event> {
        while !self.is_over {
            sleep_until(self.look_at).await;
            self.look_at = Instant::now() + LOOK_EVERY;
            match self.caller.is_still_known(&self.api).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_) => continue,
            }
            let job = timeout(LOOK_WITHIN, jobs::get(&self.api.database, self.job_id)).await;
            let Ok(Ok(job)) = job else { continue };
            let news = News::of(&job);
            if self.told.as_ref() != Some(&news.id) {
                self.is_over = job.is_over();
                let name = if self.is_over { "end" } else { "progress" };
                self.told = Some(news.id.clone());
                return Some(Event::default().event(name).id(news.id).data(news.json));
            }
        }
        None
    }
}
