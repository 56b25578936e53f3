//! One sender, which uses one connection at a time: takes requests from the schedule and logs the responses.

use std::sync::Arc;
use std::time::Instant;

use super::delayed::DelayedRequests;
use super::pacer::Pacer;
use super::retrying_client::RetryingClient;
use super::schedule::{Schedule, ScheduledRequest};
use super::send_log::SendLog;
use crate::run::Run;

/// See the module.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) run: Run,
    pub(super) log: SendLog,
}

impl Sender {
    /// Sends until the schedule is empty.
    pub(super) async fn run(
        mut self,
        schedule: Arc<Schedule>,
        delayed: Arc<DelayedRequests>,
        pacer: Arc<Pacer>,
    ) -> SendLog {
        while let Some(requests) = schedule.next(&self.run.plan, &self.run.world) {
            for request in requests {
                request.delayed().for_each(|id| delayed.push(id));
                self.send_with_successors(request, &pacer).await;
                while let Some(id) = delayed.pop_due() {
                    let request = ScheduledRequest::new(&self.run.world, id);
                    self.send_with_successors(request, &pacer).await;
                }
            }
        }
        self.log
    }

    async fn send_with_successors(&mut self, first: ScheduledRequest, pacer: &Pacer) {
        let mut next = Some(first);
        while let Some(request) = next {
            let due_at = pacer.next_due().await;
            let undelivered = self.log.undelivered.len();
            self.send(&request, due_at).await;
            // The successors of a request that was not accepted are sent after the request is sent again.
            next = request.successor().filter(|_| self.log.undelivered.len() == undelivered);
        }
    }

    async fn send(&mut self, ScheduledRequest { id, scenario }: &ScheduledRequest, due_at: Instant) {
        let request = &scenario.requests[id.request];
        let is_ordered = scenario.requests.iter().any(|request| request.follows);
        let client = RetryingClient {
            client: &self.run.client,
            authenticator: self.run.authenticator_of(id.scenario),
            retry: self.run.plan.retry,
            affinity: is_ordered.then_some(id.scenario),
        };
        let tally = &mut self.log.tally;
        let first_event = scenario.first_event_of(id.request);
        if request.is_repeated && !id.is_copy {
            let mut other = tally.empty();
            let (original, copy) =
                tokio::join!(client.send(request, due_at, tally), client.send(request, due_at, &mut other));
            self.log.tally.add(&other);
            self.log.record(*id, request, first_event, original);
            self.log.record(*id, request, first_event, copy);
        } else {
            let response = client.send(request, due_at, tally).await;
            self.log.record(*id, request, first_event, response);
        }
    }
}
