//! One pass over requests: as many groups at the same time as there are connections, the requests of a group one after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use super::due::{DelayedRequests, Pacer};
use super::schedule::{RequestId, ScheduledRequest};
use crate::client::Response;
use crate::report::Finding;
use crate::run::Run;
use crate::world::scenario::{Request, Scenario};

/// Retries after the first attempt: after 5 s, 10 s and 20 s by the specification.
const MAX_RETRIES: u32 = 3;

pub(super) struct Pass {
    run: Arc<Run>,
    pacer: Pacer,
    pub(super) delayed: DelayedRequests,
}

/// Id under which an event was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receipt {
    pub(crate) scenario: u64,
    /// Number of the event within its scenario.
    pub(crate) event: usize,
    pub(crate) event_id: Box<str>,
}

/// Events that were acknowledged, and requests that no attempt delivered.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) receipts: Vec<Receipt>,
    pub(super) undelivered: Vec<RequestId>,
}

impl Pass {
    pub(super) fn new(run: &Arc<Run>, rate_per_second: Option<u32>) -> Arc<Self> {
        let (run, pacer) = (Arc::clone(run), Pacer::new(rate_per_second));
        Arc::new(Self { run, pacer, delayed: DelayedRequests::default() })
    }

    /// Sends groups of requests, each in a task of its own.
    pub(super) async fn send(
        self: &Arc<Self>,
        groups: impl Iterator<Item = Vec<ScheduledRequest>>,
        sent: &mut Sent,
    ) {
        let tasks = groups.map(|group| tokio::spawn(Arc::clone(self).send_group(group)));
        let mut tasks = stream::iter(tasks).buffer_unordered(self.run.plan.connections);
        while let Some(task) = tasks.next().await {
            match task {
                Ok(group) => {
                    sent.receipts.extend(group.receipts);
                    sent.undelivered.extend(group.undelivered);
                }
                Err(_) => self.run.find(Finding::Unread, "a sender of the simulator panicked"),
            }
        }
    }

    async fn send_group(self: Arc<Self>, group: Vec<ScheduledRequest>) -> Sent {
        let mut sent = Sent::default();
        for scheduled in group {
            for id in scheduled.delayed() {
                self.delayed.push(Instant::now() + self.run.plan.disorder.late_after, id);
            }
            self.send_with_successors(scheduled, &mut sent).await;
            while let Some(id) = self.delayed.pop_due() {
                self.send_with_successors(ScheduledRequest::new(&self.run.world, id), &mut sent).await;
            }
        }
        sent
    }

    /// Sends a request, and then those that follow it.
    async fn send_with_successors(&self, first: ScheduledRequest, sent: &mut Sent) {
        let ScheduledRequest { mut id, scenario } = first;
        loop {
            let undelivered = sent.undelivered.len();
            self.send_one(id, &scenario, sent).await;
            id.request += 1;
            // The successors of a request that was not accepted are sent after the request is sent again.
            let has_successor = scenario.requests.get(id.request).is_some_and(|request| request.follows);
            if !has_successor || sent.undelivered.len() > undelivered {
                return;
            }
        }
    }

    /// Sends a request, twice at the same time if it is repeated.
    async fn send_one(&self, id: RequestId, scenario: &Scenario, sent: &mut Sent) {
        let request = &scenario.requests[id.request];
        let is_ordered = scenario.requests.iter().any(|request| request.follows);
        let affinity = is_ordered.then_some(id.scenario);
        let due_at = self.pacer.next_due().await;
        let copies = if request.is_repeated && !id.is_copy { 2 } else { 1 };
        let attempts = (0..copies).map(|_| self.attempt(id.scenario, request, affinity, due_at));
        for response in join_all(attempts).await {
            match response {
                Some(response) => self.record(id, scenario, &response, sent),
                None => sent.undelivered.push(RequestId { is_copy: true, ..id }),
            }
        }
    }

    /// Sends a request until it has a final response (API specification, "Retry Logic"). Returns `None` if the last retry failed
    /// too.
    ///
    /// The latency of the first attempt counts from `due_at`, that of a retry from its own sending.
    async fn attempt(
        &self,
        scenario: u64,
        request: &Request,
        affinity: Option<u64>,
        mut due_at: Instant,
    ) -> Option<Response> {
        let authenticator = self.run.authenticator_of(scenario);
        let mut delays = (0..MAX_RETRIES).map(|doublings| self.run.plan.retry_after * 2_u32.pow(doublings));
        loop {
            let mut retry_after = Duration::ZERO;
            match self.run.client.post(authenticator, request, affinity).await {
                Ok(response) => {
                    self.run.answered(response.status, due_at.elapsed(), response.took);
                    if !is_temporary(&response) {
                        return Some(response);
                    }
                    retry_after = response.retry_after;
                }
                Err(_) => self.run.report().unanswered += 1,
            }
            let delay = delays.next()?;
            self.run.report().retried += 1;
            tokio::time::sleep(delay.max(retry_after)).await;
            due_at = Instant::now();
        }
    }

    /// Records the final response to a request: the expected refusal, or an id for each event.
    fn record(&self, id: RequestId, scenario: &Scenario, response: &Response, sent: &mut Sent) {
        let (number, request, status) = (id.scenario, &scenario.requests[id.request], response.status);
        let problem = match request.refusal {
            Some(refusal) if status == refusal.status => {
                self.run.report().refused += 1;
                return;
            }
            Some(refusal) => format!("answered {status} instead of {}", refusal.status),
            None => {
                let before = sent.receipts.len();
                let named = (scenario.first_event_of(id.request)..).zip(response.body.event_ids());
                sent.receipts.extend(named.filter_map(|(event, event_id)| {
                    Some(Receipt { scenario: number, event, event_id: event_id?.into() })
                }));
                let (acknowledged, events) = (sent.receipts.len() - before, request.events.len());
                if acknowledged == events {
                    return;
                }
                format!("{acknowledged} of {events} events acknowledged by {status}")
            }
        };
        self.run.find(Finding::Wrong, &format!("scenario {number}, {}: {problem}", request.path));
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
        let is_temporary = |status, body: &str| {
            is_temporary(&Response {
                status,
                took: Duration::ZERO,
                retry_after: Duration::ZERO,
                body: serde_json::from_str(body).unwrap(),
            })
        };
        assert!([408, 429, 500, 503].into_iter().all(|status| is_temporary(status, "{}")));
        assert!([200, 202, 400, 401, 409, 422].into_iter().all(|status| !is_temporary(status, "{}")));
        assert!(!is_temporary(500, r#"{"event_id": "evt_1"}"#), "the event was stored");
    }
}
