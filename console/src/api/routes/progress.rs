//! Progress of a job as server-sent events (WHATWG HTML, "Server-sent events"). Each event contains the whole job, so a missed event
//! loses nothing. A stream ends with its job, when the token becomes invalid, or at shutdown.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use careq_http::{ApiError, single_header};
use careq_shared::canonical;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use crate::api::auth::Authenticated;
use crate::api::query::{PathId, Query};
use crate::jobs::{self, Job};

/// The interval between reads of the job.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The timeout of a read. On a half-open connection, the database never answers.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// The interval of comments, so that no proxy closes an idle stream.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Follows a job, as server-sent events, until each of its letters has an outcome.
#[utoipa::path(
    get,
    path = "/replay-jobs/{id}/progress",
    params(
        PathId,
        (
            "Last-Event-ID" = Option<String>,
            Header,
            description = "The `id` of the last event that was received; it is not sent again",
            nullable = false,
            pattern = "^[0-9a-f]{16}$"
        )
    ),
    responses(
        (
            status = 200,
            description = "`progress` after each change, at most once a second, and `end` as the last event. The data of each is \
                a `Job` in JSON",
            content_type = "text/event-stream"
        ),
        (status = 204, description = "The job has ended, and `Last-Event-ID` is its last event: no events follow")
    )
)]
pub(crate) async fn progress(
    caller: Authenticated,
    PathId(id): PathId,
    _: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = jobs::get(&caller.api.database, id).await?;
    // An unreadable header is ignored: the client then gets the current state again.
    let last_id = single_header(&headers, "last-event-id").ok().flatten().map(str::to_owned);
    if job.is_over() && last_id.as_deref() == Some(Snapshot::from_job(&job).id.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let permit = Arc::clone(&caller.api.stream_permits).try_acquire_owned().map_err(|_| {
        ApiError::unavailable("Too many jobs are being followed; please try again, or ask for the job itself")
    })?;
    let stream =
        JobStream { caller, job_id: id, last_id, next_poll: Instant::now(), is_over: false, _permit: permit };
    let events = stream::unfold(stream, JobStream::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT_INTERVAL)).into_response())
}

/// The JSON of a job, and an event id derived from it.
struct Snapshot {
    id: String,
    json: String,
}

impl Snapshot {
    fn from_job(job: &Job) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a job has string keys only, and its types serialize without errors"
        )]
        let json = serde_json::to_string(job).expect("a job serializes");
        let id = canonical::sha256_hex(&[json.as_bytes()]).chars().take(16).collect();
        Self { id, json }
    }
}

/// The state of a stream.
struct JobStream {
    caller: Authenticated,
    job_id: Uuid,
    /// The id of the last event that the client has received.
    last_id: Option<String>,
    next_poll: Instant,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl JobStream {
    /// The next event; `None` at the end of the stream.
    async fn next(mut self) -> Option<(Result<Event, std::convert::Infallible>, Self)> {
        let shutdown = self.caller.api.shutdown.clone();
        let event = shutdown.run_until_cancelled(self.next_event()).await??;
        Some((Ok(event), self))
    }

    /// Polls the job until it has changed. Failures of the database are retried at the next poll.
    async fn next_event(&mut self) -> Option<Event> {
        while !self.is_over {
            sleep_until(self.next_poll).await;
            self.next_poll = Instant::now() + POLL_INTERVAL;
            match self.caller.is_still_valid().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_) => continue,
            }
            let job = timeout(POLL_TIMEOUT, jobs::get(&self.caller.api.database, self.job_id)).await;
            let Ok(Ok(job)) = job else { continue };
            let snapshot = Snapshot::from_job(&job);
            if self.last_id.as_ref() != Some(&snapshot.id) {
                self.is_over = job.is_over();
                let name = if self.is_over { "end" } else { "progress" };
                self.last_id = Some(snapshot.id.clone());
                return Some(Event::default().event(name).id(snapshot.id).data(snapshot.json));
            }
        }
        None
    }
}
