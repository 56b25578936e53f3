//! One request with CareQ's retries (API specification, "Retry Logic").

use std::time::{Duration, Instant};

use hyper::Method;

use crate::client::authenticator::Authenticator;
use crate::client::http_client::{Call, HttpClient};
use crate::client::response::Response;
use crate::plan::Retry;
use crate::tally::Tally;
use crate::world::scenario::Request;

/// Client of one clinic.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryingClient<'run> {
    pub(super) client: &'run HttpClient,
    pub(super) authenticator: &'run Authenticator,
    pub(super) retry: Retry,
    /// See [`Call::affinity`].
    pub(super) affinity: Option<u64>,
}

impl RetryingClient<'_> {
    /// Sends a request until it has a final response. Returns `None` if the last retry failed too.
    ///
    /// The latency of the first attempt counts from `due_at`, that of a retry from its own sending.
    pub(super) async fn send(
        self,
        request: &Request,
        mut due_at: Instant,
        tally: &mut Tally,
    ) -> Option<Response> {
        let mut delays = self.retry.delays();
        loop {
            let mut retry_after = Duration::ZERO;
            if let Some(response) = self.attempt(request).await {
                tally.answered(response.status, due_at.elapsed(), response.took);
                if !is_temporary(&response) {
                    return Some(response);
                }
                retry_after = response.retry_after.unwrap_or(Duration::ZERO);
            } else {
                tally.unanswered();
            }
            let delay = delays.next()?;
            tally.retried();
            tokio::time::sleep(delay.max(retry_after)).await;
            due_at = Instant::now();
        }
    }

    async fn attempt(self, request: &Request) -> Option<Response> {
        let call = Call {
            method: Method::POST,
            path: request.path,
            body: request.body.clone(),
            idempotency_key: request.idempotency_key.as_deref(),
            affinity: self.affinity,
        };
        self.client.send(self.authenticator, call).await.ok()
    }
}

/// Whether the request was not accepted and should be retried. An event that was accepted and failed has an id.
fn is_temporary(response: &Response) -> bool {
    matches!(response.status, 408 | 429 | 500..) && response.body.event_ids().flatten().next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_overload_without_an_event_id_is_temporary() {
        let response = |status, body: &str| Response {
            status,
            took: Duration::ZERO,
            retry_after: None,
            body: serde_json::from_str(body).unwrap(),
        };
        assert!([408, 429, 500, 503].into_iter().all(|status| is_temporary(&response(status, "{}"))));
        assert!(
            [200, 202, 400, 401, 409, 422].into_iter().all(|status| !is_temporary(&response(status, "{}")))
        );
        assert!(!is_temporary(&response(500, r#"{"event_id": "evt_1"}"#)), "the event was stored");
    }
}
