//! HTTP client of the ingresses, which it uses in turn, and the parts of their responses that give the outcome of events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;

use crate::authenticator::Authenticator;
use crate::plan::Plan;
use crate::world::in_turn;
use crate::world::scenario::Request;

/// Base path (API specification, "Base URL").
const API_PATH: &str = "/api/v1/careq-sync";

/// Time between two reads of a page, and between two attempts to read the tables.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Failed reads after which a page counts as unreadable. Each failed read waits for the `Retry-After` of its response.
const MAX_FAILED_READS: u32 = 100;

pub(crate) struct Client {
    http: reqwest::Client,
    /// At least one, with the base path.
    targets: Vec<String>,
    next_target: AtomicU64,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// Zero without `Retry-After`.
    pub(crate) retry_after: Duration,
    pub(crate) body: ResponseBody,
}

/// Body of a response.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ResponseBody {
    #[serde(default)]
    pub(crate) data: ResponseData,
    /// Set for an event that was stored but has not been applied.
    event_id: Option<String>,
}

/// `data` of a response or of a status page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ResponseData {
    event_id: Option<String>,
    pub(crate) sync_status: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) status_updated_at: Option<String>,
    pub(crate) error: Option<EventError>,
    #[serde(default)]
    results: Vec<BatchResult>,
}

/// Error of a failed event.
#[derive(Debug, Deserialize)]
pub(crate) struct EventError {
    pub(crate) code: String,
}

/// Result of one record in the report of a batch.
#[derive(Debug, Deserialize)]
struct BatchResult {
    event_id: Option<String>,
}

/// A status page could not be read, so that nothing is known about its event or record.
#[derive(Debug)]
pub(crate) struct UnreadablePageError;

impl Client {
    /// # Errors
    /// There is no target, a target is not a URL, or the machine's certificates cannot be read.
    pub(crate) fn new(plan: &Plan) -> Result<Self> {
        ensure!(!plan.targets.is_empty(), "no ingress to call: give --url");
        let targets = plan.targets.iter().map(|url| base_url(url)).collect::<Result<_, _>>()?;
        // reqwest requires a provider even for plain HTTP. An error means that one is installed already.
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        let http = reqwest::Client::builder()
            .timeout(plan.timeout)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(plan.connections)
            .build()
            .context("the HTTP client cannot be built: the certificates of this machine cannot be read")?;
        Ok(Self { http, targets, next_target: AtomicU64::new(0) })
    }

    /// Sends a request and reads the whole response. Requests with the same affinity go to the same ingress.
    ///
    /// # Errors
    /// The connection failed, the timeout passed, or the response is unreadable.
    pub(crate) async fn post(
        &self,
        authenticator: &Authenticator,
        request: &Request,
        affinity: Option<u64>,
    ) -> reqwest::Result<Response> {
        let mut post = self.http.post(self.url(request.path, affinity)).body(request.body.clone());
        if let Some(key) = &request.idempotency_key {
            post = post.header("idempotency-key", key);
        }
        let post = post.header(CONTENT_TYPE, "application/json");
        exchange(authenticator.authenticate(post, &request.body)).await
    }

    /// Reads a status page until the condition holds or the deadline has passed, and returns its last state; `None` if there is
    /// no page (404).
    ///
    /// Failed reads do not count towards the deadline but have a limit of their own, so that a rate limit only slows the check.
    pub(crate) async fn status_page(
        &self,
        authenticator: &Authenticator,
        path: &str,
        deadline: Instant,
        is_final: impl Fn(Option<&ResponseData>) -> bool,
    ) -> Result<Option<ResponseData>, UnreadablePageError> {
        let mut failed_reads = 0;
        loop {
            let get = self.http.get(self.url(path, None));
            let response = exchange(authenticator.authenticate(get, b"")).await;
            let page = match response {
                Ok(Response { status: 200, body, .. }) => Some(body.data),
                Ok(Response { status: 404, .. }) => None,
                _ if failed_reads == MAX_FAILED_READS => return Err(UnreadablePageError),
                other => {
                    failed_reads += 1;
                    let retry_after = other.map_or(Duration::ZERO, |response| response.retry_after);
                    tokio::time::sleep(POLL_INTERVAL + retry_after).await;
                    continue;
                }
            };
            if is_final(page.as_ref()) || Instant::now() > deadline {
                return Ok(page);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn url(&self, path: &str, affinity: Option<u64>) -> String {
        let number = affinity.unwrap_or_else(|| self.next_target.fetch_add(1, Ordering::Relaxed));
        format!("{}{path}", self.targets[in_turn(number, self.targets.len())])
    }
}

impl ResponseBody {
    /// Ids of the events in the order sent; `None` for a refused record of a batch.
    pub(crate) fn event_ids(&self) -> impl Iterator<Item = Option<&str>> {
        let single = self.data.event_id.iter().chain(&self.event_id).map(|event_id| Some(event_id.as_str()));
        single.chain(self.data.results.iter().map(|result| result.event_id.as_deref()))
    }
}

/// An ingress's URL with the base path.
fn base_url(url: &str) -> Result<String> {
    let is_url = Url::parse(url).is_ok_and(|url| url.has_host());
    ensure!(is_url, "{url:?} is not the URL of an ingress, such as http://127.0.0.1:8080");
    Ok(format!("{}{API_PATH}", url.trim_end_matches('/')))
}

async fn exchange(request: RequestBuilder) -> reqwest::Result<Response> {
    let sent_at = Instant::now();
    let response = request.send().await?;
    let status = response.status().as_u16();
    // In seconds (RFC 9110, section 10.2.3). An ingress sends no dates.
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = retry_after.map_or(Duration::ZERO, Duration::from_secs);
    let body = response.json().await?;
    Ok(Response { status, took: sent_at.elapsed(), retry_after, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_appended_to_the_path_of_the_url() {
        for (url, base) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/careq-sync"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/v1/careq-sync"),
            ("https://sync.example.com/in", "https://sync.example.com/in/api/v1/careq-sync"),
        ] {
            assert_eq!(base_url(url).unwrap(), base);
        }
        for url in ["", "127.0.0.1:8080/x", "localhost:8080", "/patient", "http://"] {
            assert!(base_url(url).is_err(), "{url}");
        }
    }
}
