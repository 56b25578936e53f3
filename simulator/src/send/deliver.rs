//! One request until it is answered, or CareQ gives up (API specification, "Retry Logic").

use std::time::{Duration, Instant};

use hyper::Method;

use super::caller::{Answer, Caller, Question};
use super::sign::Proofs;
use crate::plan::Retry;
use crate::tally::Tally;
use crate::world::Request;

/// Delivers the requests of one clinic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Courier<'plan> {
    pub(super) caller: &'plan Caller,
    pub(super) clinic: &'plan Proofs,
    pub(super) retry: Retry,
    /// Always the same ingress for the same number; without one, each in turn.
    pub(super) target: Option<u64>,
}

impl Courier<'_> {
    /// Sends a request that was due at this moment, and again for as long as `CareQ` would. `None`: not even the last
    /// retry was taken.
    pub(super) async fn deliver(
        self,
        request: &Request,
        mut due_at: Instant,
        tally: &mut Tally,
    ) -> Option<Answer> {
        let mut delays = self.retry.delays();
        loop {
            let mut patience = Duration::ZERO;
            if let Some(answer) = self.attempt(request).await {
                tally.answered(answer.status, due_at.elapsed(), answer.took);
                if !is_temporary(&answer) {
                    return Some(answer);
                }
                patience = answer.retry_after.unwrap_or_default();
            } else {
                tally.unanswered();
            }
            let delay = delays.next()?;
            tally.retries();
            tokio::time::sleep(delay.max(patience)).await;
            due_at = Instant::now();
        }
    }

    async fn attempt(self, request: &Request) -> Option<Answer> {
        let question = Question {
            method: Method::POST,
            path: request.path,
            body: request.body.clone(),
            idempotency_key: request.idempotency_key.as_deref(),
            target: self.target,
        };
        self.caller.ask(self.clinic, question).await.ok()
    }
}

/// Whether the event was not taken, and may be later. One that was taken and has failed has an id.
fn is_temporary(answer: &Answer) -> bool {
    matches!(answer.status, 408 | 429 | 500..) && answer.body.event_ids().flatten().next().is_none()
}
