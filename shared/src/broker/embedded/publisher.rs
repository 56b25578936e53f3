//! The task that writes messages. Messages that arrive during one transaction are written together in the next. A
//! publish is confirmed only after its transaction is on disk.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::arrivals::Arrivals;
use super::store::{Message, Store};
use crate::broker::port::{PublishError, Queue};
use crate::ignore::ignore;
use crate::trace_context::TraceContext;

/// The maximum number of messages in one transaction.
const MAX_MESSAGES: usize = 1_000;

#[derive(Debug)]
pub(super) struct Publisher {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    message: Message,
    done: oneshot::Sender<Result<(), PublishError>>,
}

impl Publisher {
    pub(super) fn start(store: Arc<Store>, arrivals: Arc<Arrivals>) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_MESSAGES);
        tokio::spawn(write(store, arrivals, waiting));
        Self { jobs }
    }

    pub(super) async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        let (done, result) = oneshot::channel();
        let message = Message { queue, body, trace: TraceContext::current() };
        self.jobs.send(Job { message, done }).await.map_err(|_| PublishError::Disconnected)?;
        result.await.map_err(|_| PublishError::Disconnected)?
    }
}

async fn write(store: Arc<Store>, arrivals: Arc<Arrivals>, mut waiting: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(MAX_MESSAGES);
    while waiting.recv_many(&mut jobs, MAX_MESSAGES).await > 0 {
        let messages: Vec<_> = jobs.iter().map(|job| job.message.clone()).collect();
        let result = store.insert(&messages).await.map_err(|_| PublishError::Refused);
        for job in jobs.drain(..) {
            if result.is_ok() {
                arrivals.of(job.message.queue).notify_one();
            }
            ignore(job.done.send(result), "a sender that has gone has been answered");
        }
    }
}
