//! One HTTP exchange with an ingress. Its cost is kept low, so that a load test measures the installation and not the simulator.

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

use super::authenticator::Authenticator;
use super::base_url::BaseUrl;
use super::response::{NoResponseError, Response, ResponseData};
use crate::convert::to_usize;
use crate::error::SimulatorError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Client of several ingresses, which it uses in turn.
#[derive(Debug)]
pub(crate) struct HttpClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// At least one.
    targets: Vec<BaseUrl>,
    timeout: Duration,
    next_target: AtomicU64,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Call<'request> {
    pub(crate) method: Method,
    pub(crate) path: &'request str,
    pub(crate) body: Bytes,
    pub(crate) idempotency_key: Option<&'request str>,
    /// Requests with the same number go to the same ingress. Requests without one go to each ingress in turn.
    pub(crate) affinity: Option<u64>,
}

impl HttpClient {
    /// # Errors
    /// There is no target, a target is not a URL, or the machine's certificates cannot be read.
    pub(crate) fn new(
        targets: &[String],
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, SimulatorError> {
        if targets.is_empty() {
            return Err(SimulatorError::NoTargets);
        }
        let targets = targets.iter().map(|target| BaseUrl::parse(target)).collect::<Result<_, _>>()?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| SimulatorError::Client)?;
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(connections).build(connector);
        Ok(Self { http, targets, timeout, next_target: AtomicU64::new(0) })
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(
        &self,
        authenticator: &Authenticator,
        call: Call<'_>,
    ) -> Result<Response, NoResponseError> {
        let request = self.request(authenticator, call)?;
        let sent_at = Instant::now();
        let exchange = async {
            let (head, body) = self.http.request(request).await.map_err(|_| NoResponseError)?.into_parts();
            Ok((head, body.collect().await.map_err(|_| NoResponseError)?.to_bytes()))
        };
        let exchange = tokio::time::timeout(self.timeout, exchange);
        let (head, text) = exchange.await.map_err(|_| NoResponseError)??;
        let body = serde_json::from_slice(&text).map_err(|_| NoResponseError)?;
        let retry_after = retry_after(&head.headers);
        Ok(Response { status: head.status.as_u16(), took: sent_at.elapsed(), retry_after, body })
    }

    fn request(
        &self,
        authenticator: &Authenticator,
        call: Call<'_>,
    ) -> Result<Request<Full<Bytes>>, NoResponseError> {
        let number = call.affinity.unwrap_or_else(|| self.next_target.fetch_add(1, Ordering::Relaxed));
        let target = &self.targets[to_usize(number % self.targets.len() as u64)];
        let mut headers = authenticator.headers(&call.body);
        if let Some(key) = call.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).map_err(|_| NoResponseError)?);
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = target.uri(call.path).ok_or(NoResponseError)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// `data` of a status page; `None` if the page does not exist (404).
    ///
    /// After any other error status the call first waits for the `Retry-After` of the response.
    pub(crate) async fn status_page(
        &self,
        authenticator: &Authenticator,
        path: &str,
    ) -> Result<Option<ResponseData>, NoResponseError> {
        let call =
            Call { method: Method::GET, path, body: Bytes::new(), idempotency_key: None, affinity: None };
        let response = self.send(authenticator, call).await?;
        match response.status {
            200 => Ok(Some(response.body.data)),
            404 => Ok(None),
            _ => {
                tokio::time::sleep(response.retry_after.unwrap_or(Duration::ZERO)).await;
                Err(NoResponseError)
            }
        }
    }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). An ingress sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
