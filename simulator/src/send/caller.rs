//! One exchange with an ingress: a request, and what came back of it. It must cost little, so that it is never the simulator
//! that is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::sign::Proofs;
use super::target::Target;
use crate::SimulatorError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Speaks to the ingresses in turn.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    targets: Vec<Target>,
    timeout: Duration,
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
        let targets = targets.iter().map(|target| Target::of(target)).collect::<Result<_, _>>()?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| SimulatorError::Client)?;
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(connections).build(connector);
        Ok(Self { http, targets, timeout, turn: AtomicU64::new(0) })
    }

    pub(crate) async fn ask(&self, clinic: &Proofs, question: Question<'_>) -> Result<Answer, NoAnswer> {
        let request = self.request(clinic, question)?;
        let asked_at = Instant::now();
        let exchange = async {
            let (head, body) = self.http.request(request).await.map_err(|_| NoAnswer)?.into_parts();
            Ok((head, body.collect().await.map_err(|_| NoAnswer)?.to_bytes()))
        };
        let (head, text) = tokio::time::timeout(self.timeout, exchange).await.map_err(|_| NoAnswer)??;
        let body = serde_json::from_slice(&text).map_err(|_| NoAnswer)?;
        let retry_after = retry_after(&head.headers);
        Ok(Answer { status: head.status.as_u16(), took: asked_at.elapsed(), retry_after, body })
    }

    fn request(&self, clinic: &Proofs, question: Question<'_>) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let turn = question.target.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed));
        let number = usize::try_from(turn % self.targets.len().max(1) as u64).unwrap_or_default();
        let target = self.targets.get(number).ok_or(NoAnswer)?;
        let mut headers = clinic.headers(&question.body);
        if let Some(key) = question.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).map_err(|_| NoAnswer)?);
        }
        if !question.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut request = Request::new(Full::new(question.body));
        *request.method_mut() = question.method;
        *request.uri_mut() = target.uri(question.path).ok_or(NoAnswer)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The `data` of a status page: `None` where there is no such page.
    pub(crate) async fn page(&self, clinic: &Proofs, path: &str) -> Result<Option<Data>, NoAnswer> {
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
