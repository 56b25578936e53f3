//! The publishing tasks of the live and the bulk queue. lapin may attribute a confirm to the wrong task if several tasks publish
//! on one channel, so each channel has one task. Callers wait for their confirm on a oneshot channel. A queue that
//! confirms nothing, such as one without a leader, does not delay the other queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::link::{DEADLINE, Link, LinkError, within};
use super::topology::Topology;
use crate::backoff::Backoff;
use crate::broker::port::{PublishError, Queue};
use crate::ignore;
use crate::trace_context::{TRACEPARENT, TraceContext};

/// The number of unconfirmed messages at which publishing pauses. One group may exceed it. Further messages wait in the
/// mpsc channel, which has the same capacity.
const MAX_UNCONFIRMED: usize = 4_096;

/// The maximum number of messages that are published together.
const MAX_GROUP_MESSAGES: usize = 256;

/// The size at which a group is closed, in bytes. Publishing a group has one timeout, and no confirm is read during it.
const MAX_GROUP_BYTES: usize = 1_024 * 1_024;

/// The interval at which an idle publisher checks its channel.
const CHANNEL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The persistent delivery mode (AMQP 0-9-1, "delivery-mode").
const PERSISTENT: u8 = 2;

/// The reason to ignore an undelivered answer.
const ANSWERED: &str = "the caller stopped waiting and has answered its client";

/// The handles of the publishing tasks.
#[derive(Debug)]
pub(super) struct Publisher {
    live: QueueHandle,
    bulk: QueueHandle,
}

/// The handle of one publishing task.
#[derive(Debug)]
struct QueueHandle {
    jobs: mpsc::Sender<Job>,
    connected: watch::Receiver<bool>,
}

type Done = oneshot::Sender<Result<(), PublishError>>;

#[derive(Debug)]
struct Job {
    body: Bytes,
    trace: Option<TraceContext>,
    done: Done,
}

impl Publisher {
    /// Starts the tasks. Both publish over one connection. Each declares its queue and the dead queue over its own.
    pub(super) fn start(
        publishing: &Arc<Link>,
        declaring: impl Fn(Queue) -> Arc<Link>,
        topology: &Topology,
    ) -> Self {
        let [live, bulk] = [Queue::Live, Queue::Bulk].map(|queue| {
            let (jobs, waiting) = mpsc::channel(MAX_UNCONFIRMED);
            let (connection, connected) = watch::channel(true);
            let target = Target {
                queue,
                name: topology.name(queue),
                topology: topology.clone(),
                declaring: declaring(queue),
                publishing: Arc::clone(publishing),
            };
            tokio::spawn(supervise(target, waiting, connection));
            QueueHandle { jobs, connected }
        });
        Self { live, bulk }
    }

    /// Whether the channel of the live queue is open, which is assumed at the start. The bulk queue is not checked.
    pub(super) fn is_connected(&self) -> bool {
        *self.live.connected.borrow()
    }

    /// Publishes a message. If the caller drops the future before the message is sent, it is not sent.
    pub(super) async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        let (done, result) = oneshot::channel();
        let trace = TraceContext::current();
        let handle = match queue {
            Queue::Live => &self.live,
            Queue::Bulk => &self.bulk,
            // RabbitMQ itself fills the dead queue.
            Queue::Dead => return Err(PublishError::Disconnected),
        };
        handle.jobs.send(Job { body, trace, done }).await.map_err(|_| PublishError::Disconnected)?;
        result.await.map_err(|_| PublishError::Disconnected)?
    }
}

/// The target of one publishing task.
struct Target {
    queue: Queue,
    /// The full name of the queue.
    name: String,
    topology: Topology,
    declaring: Arc<Link>,
    publishing: Arc<Link>,
}

async fn supervise(target: Target, mut jobs: mpsc::Receiver<Job>, connection: watch::Sender<bool>) {
    let (broker, queue) = (target.publishing.address(), target.name.as_str());
    let mut backoff = Backoff::default();
    let mut limit = SizeLimit::default();
    let mut opened = open(&target).await;
    loop {
        match opened {
            Ok(channel) => {
                backoff.reset();
                connection.send_replace(true);
                let lost = serve(&channel, &target.name, &mut jobs, &mut limit).await;
                let Some(reason) = lost.filter(|_| !target.publishing.has_ended()) else { return };
                tracing::warn!(broker, queue, %reason, "publishing to RabbitMQ was interrupted");
            }
            Err(reason) => {
                tracing::warn!(broker, queue, %reason, "messages cannot be published to this queue; they are refused until its channel is open again");
            }
        }
        connection.send_replace(false);
        let again = async {
            backoff.wait().await;
            open(&target).await
        };
        match refuse_during(again, &mut jobs).await {
            Some(again) => opened = again,
            None => return,
        }
    }
}

async fn open(target: &Target) -> Result<Channel, LinkError> {
    // RabbitMQ moves given-up messages to the dead queue.
    target.topology.declare_each(&target.declaring, &[target.queue, Queue::Dead]).await?;
    let channel = target.publishing.channel().await?;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Publishes until the channel is lost and returns the reason; `None` if the publisher is dropped. Messages without a
/// confirm by then are reported as `Disconnected`, or `TooLarge` beyond the size limit. `limit` is the known limit at
/// the call, and afterwards only the limit that this loss revealed.
async fn serve(
    channel: &Channel,
    queue: &str,
    jobs: &mut mpsc::Receiver<Job>,
    limit: &mut SizeLimit,
) -> Option<String> {
    let mut confirms = FuturesUnordered::new();
    let known_limit = std::mem::take(limit);
    let mut lost = std::pin::pin!(lost(channel));
    let reason = loop {
        tokio::select! {
            () = &mut lost => break "the channel was closed".to_owned(),
            job = jobs.recv(), if confirms.len() < MAX_UNCONFIRMED => {
                let first = job?;
                let group = known_limit.refuse_larger(group(first, jobs).await);
                match within(try_join_all(group.iter().map(|job| publish(channel, queue, job)))).await {
                    // The bodies are no longer needed.
                    Ok(published) => confirms.extend(group.into_iter().zip(published).map(|(job, confirm)| {
                        let (bytes, done) = (job.body.len(), job.done);
                        async move { (bytes, done, timeout(DEADLINE, confirm).await) }
                    })),
                    Err(fault) => {
                        if let LinkError::Protocol(fault) = &fault {
                            limit.learn(fault);
                        }
                        // Dropping the others reports them as disconnected.
                        drop(limit.refuse_larger(group));
                        break fault.to_string();
                    }
                }
            }
            Some(first) = confirms.next() => {
                let mut group = vec![first];
                while let Some(Some(another)) = confirms.next().now_or_never() {
                    group.push(another);
                }
                if let Some(reason) = answer(group, limit) {
                    break reason;
                }
            }
        }
    };
    // A channel that was closed for one message has failed the confirms of the others, too.
    let rest: Vec<Confirmed> = std::iter::from_fn(|| confirms.next().now_or_never().flatten()).collect();
    answer(rest, limit);
    Some(reason)
}

/// Collects the jobs that are published together. lapin's thread then wakes once for all, and RabbitMQ receives one
/// packet. Yielding lets requests that are ready to run publish first.
async fn group(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    tokio::task::yield_now().await;
    let mut bytes = first.body.len();
    let mut group = vec![first];
    while group.len() < MAX_GROUP_MESSAGES
        && bytes < MAX_GROUP_BYTES
        && let Ok(another) = jobs.try_recv()
    {
        bytes += another.body.len();
        group.push(another);
    }
    // A caller that gave up has answered its client; publishing now would only create a duplicate.
    group.retain(|job| !job.done.is_closed());
    group
}

/// Resolves when the channel is lost. An idle publisher would not notice otherwise, and would report itself as ready.
async fn lost(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(CHANNEL_CHECK_INTERVAL).await;
    }
}

/// A published message without its body: its size, its caller, and its confirm.
type Confirmed = (usize, Done, Result<lapin::Result<Confirmation>, Elapsed>);

/// Answers the callers of one group, and returns the reason why the channel must be replaced, if any. After a
/// returned message, no caller of the group is confirmed: lapin attributes it to the first confirm, which may belong
/// to another message.
fn answer(group: Vec<Confirmed>, limit: &mut SizeLimit) -> Option<String> {
    let is_returned = |(.., confirmation): &Confirmed| {
        matches!(confirmation, Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))))
    };
    if group.iter().any(is_returned) {
        for (_, done, _) in group {
            ignore(done.send(Err(PublishError::Unroutable)), ANSWERED);
        }
        return Some("a queue is missing; it is declared again".to_owned());
    }
    let mut lost = None;
    for (bytes, done, confirmation) in group {
        let result = match confirmation {
            Ok(Ok(Confirmation::Ack(_))) => Ok(()),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(PublishError::Refused),
            Ok(Err(fault)) => {
                limit.learn(&fault);
                lost = Some(fault.to_string());
                Err(if limit.holds(bytes) { PublishError::Disconnected } else { PublishError::TooLarge })
            }
            Err(_) => {
                lost = Some("no confirm arrived; an alarm may block publishers".to_owned());
                Err(PublishError::TimedOut)
            }
        };
        ignore(done.send(result), ANSWERED);
    }
    lost
}

/// RabbitMQ's `max_message_size`, if a message was refused for it. RabbitMQ closes the channel then, and every message
/// in flight fails. Larger messages are therefore refused here, until the channel is lost for another reason: RabbitMQ
/// may then have another limit.
#[derive(Debug, Default)]
struct SizeLimit(Option<usize>);

impl SizeLimit {
    /// `PRECONDITION_FAILED - message size 16900000 is larger than configured max size 16777216`
    fn learn(&mut self, fault: &lapin::Error) {
        let ErrorKind::ProtocolError(fault) = fault.kind() else { return };
        let is_of_size = fault.kind() == &AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
            && fault.get_message().as_str().contains("message size");
        let last = fault.get_message().as_str().rsplit(' ').next().and_then(|word| word.parse().ok());
        self.0 = last.filter(|_| is_of_size);
    }

    fn holds(&self, bytes: usize) -> bool {
        self.0.is_none_or(|max_bytes| bytes <= max_bytes)
    }

    /// Keeps the jobs that are small enough, and refuses the others.
    fn refuse_larger(&self, group: Vec<Job>) -> Vec<Job> {
        let (held, larger): (Vec<_>, Vec<_>) = group.into_iter().partition(|job| self.holds(job.body.len()));
        for job in larger {
            ignore(job.done.send(Err(PublishError::TooLarge)), ANSWERED);
        }
        held
    }
}

async fn publish(channel: &Channel, queue: &str, job: &Job) -> lapin::Result<lapin::PublisherConfirm> {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into());
    if let Some(trace) = &job.trace {
        let mut headers = FieldTable::default();
        headers.insert(TRACEPARENT.into(), AMQPValue::LongString(trace.traceparent().into()));
        properties = properties.with_headers(headers);
    }
    #[expect(clippy::disallowed_methods, reason = "this is the one task that publishes on this channel")]
    channel
        .basic_publish(
            "".into(),
            queue.into(),
            // Without `mandatory`, RabbitMQ confirms and drops an unroutable message.
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            &job.body,
            properties,
        )
        .await
}

/// Refuses all jobs until the channel has been opened; `None` if the publisher is dropped.
async fn refuse_during<T>(opening: impl Future<Output = T>, jobs: &mut mpsc::Receiver<Job>) -> Option<T> {
    tokio::pin!(opening);
    loop {
        tokio::select! {
            opened = &mut opening => return Some(opened),
            job = jobs.recv() => ignore(job?.done.send(Err(PublishError::Disconnected)), ANSWERED),
        }
    }
}
