//! The one task that writes messages. Whatever waits while a transaction is on its way to the disk goes into the next
//! one together; nobody is ever told "done" before that one is on disk.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::arrivals::Arrivals;
use super::store::{Message, Store};
use crate::broker::port::{PublishError, Queue};
use crate::ignore::ignore;
use crate::trace_context::TraceContext;

/// Messages of one transaction.
const TOGETHER: usize = 1_000;

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
        let (jobs, waiting) = mpsc::channel(TOGETHER);
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
    let mut jobs = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut jobs, TOGETHER).await > 0 {
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
