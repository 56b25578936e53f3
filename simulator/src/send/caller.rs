//! One exchange with an ingress: a request, and what came back of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method};
use serde::Deserialize;

use super::sign::proven;
use crate::SimulatorError;
use crate::clinic::Clinic;

/// The base path (API specification, "Base URL").
const API: &str = "/api/v1/careq-sync";

/// Speaks to the ingresses in turn.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Client,
    targets: Vec<String>,
    turn: AtomicU64,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: AnswerBody,
}

/// The parts of an answer that say what became of events.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct AnswerBody {
    #[serde(default)]
    pub(crate) data: Data,
    /// Of an event that was kept, but has not been applied.
    pub(crate) event_id: Option<String>,
}

/// The `data` of an answer or of a status page.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Data {
    pub(crate) event_id: Option<String>,
    pub(crate) sync_status: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) status_updated_at: Option<String>,
    pub(crate) error: Option<Refusal>,
    #[serde(default)]
    pub(crate) results: Vec<BatchResult>,
}

/// Why an event failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
}

/// One record's result in the report of a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchResult {
    pub(crate) event_id: Option<String>,
}

/// Nothing came back, or nothing that could be understood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoAnswer;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question<'request> {
    pub(crate) method: Method,
    pub(crate) path: &'request str,
    pub(crate) body: Bytes,
    pub(crate) idempotency_key: Option<&'request str>,
    /// See [`super::deliver::Courier`].
    pub(crate) target: Option<u64>,
}

impl Question<'_> {
    /// A status page.
    pub(crate) fn page(path: &str) -> Question<'_> {
        Question { method: Method::GET, path, body: Bytes::new(), idempotency_key: None, target: None }
    }
}

impl Caller {
    pub(crate) fn new(
        targets: &[String],
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, SimulatorError> {
        // The one that the rest of the program uses. It may have been installed before.
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        let http = Client::builder()
            .pool_max_idle_per_host(connections)
            .tcp_nodelay(true)
            .timeout(timeout)
            .build()
            .map_err(|_| SimulatorError::Client)?;
        let targets = targets.iter().map(|target| format!("{}{API}", target.trim_end_matches('/'))).collect();
        Ok(Self { http, targets, turn: AtomicU64::new(0) })
    }

    pub(crate) async fn ask(&self, clinic: &Clinic, question: Question<'_>) -> Result<Answer, NoAnswer> {
        let turn = question.target.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed));
        let number = usize::try_from(turn % self.targets.len().max(1) as u64).unwrap_or_default();
        let target = self.targets.get(number).map_or("", String::as_str);
        let mut request = self.http.request(question.method, format!("{target}{}", question.path));
        if let Some(key) = question.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        request = proven(request, clinic, &question.body);
        if !question.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(question.body);
        }
        let asked_at = Instant::now();
        let response = request.send().await.map_err(|_| NoAnswer)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let text = response.bytes().await.map_err(|_| NoAnswer)?;
        let body = serde_json::from_slice(&text).map_err(|_| NoAnswer)?;
        Ok(Answer { status, took: asked_at.elapsed(), retry_after, body })
    }

    /// The `data` of a status page: `None` where there is no such page.
    pub(crate) async fn page(&self, clinic: &Clinic, path: &str) -> Result<Option<Data>, NoAnswer> {
        let answer = self.ask(clinic, Question::page(path)).await?;
        match answer.status {
            200 => Ok(Some(answer.body.data)),
            404 => Ok(None),
            _ => {
                tokio::time::sleep(answer.retry_after.unwrap_or_default()).await;
                Err(NoAnswer)
            }
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

impl AnswerBody {
    /// The ids of the events that the answer speaks of, in the order sent; a record of a batch that was refused has none.
    pub(crate) fn event_ids(&self) -> impl Iterator<Item = Option<&str>> {
        let single = self.data.event_id.iter().chain(&self.event_id).map(|event_id| Some(event_id.as_str()));
        single.chain(self.data.results.iter().map(|result| result.event_id.as_deref()))
    }
}
