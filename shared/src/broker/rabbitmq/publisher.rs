//! The publishing tasks, one for each partition of the live and the bulk queue. lapin may attribute a confirm to the wrong
//! task if several tasks publish on one channel, so each channel has one task. Callers wait for their confirm on a oneshot
//! channel. A queue that confirms nothing, such as one without a leader, delays no other queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::link::{DEADLINE, Link, LinkError, within};
use super::size_limit::SizeLimit;
use super::topology::{PartitionQueue, Topology};
use crate::backoff::Backoff;
use crate::broker::port::{PublishError, Queue};
use crate::ignore;
use crate::trace_context::{TRACEPARENT, TraceContext};

/// The number of unconfirmed messages of a partition at which publishing pauses. RabbitMQ stops reading a connection after
/// 400 messages that a channel has not taken, such as one whose queue has no leader (`rabbit`, `credit_flow_default_credit`).
const MAX_UNCONFIRMED: usize = 192;

/// The number of messages that wait for a confirm of others.
const MAX_WAITING: usize = 4_096;

/// The maximum number of messages that are published together.
const MAX_GROUP_MESSAGES: usize = 64;

/// The size at which a group is closed, in bytes. Publishing a group has one timeout, and no confirm is read during it.
const MAX_GROUP_BYTES: usize = 1_024 * 1_024;

/// The time after which an open channel counts as a success, without a message.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// The interval at which an idle publisher checks its channel.
const CHANNEL_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The persistent delivery mode (AMQP 0-9-1, "delivery-mode").
const PERSISTENT: u8 = 2;

/// The reason to ignore an undelivered answer.
const ANSWERED: &str = "the caller stopped waiting and has answered its client";

/// The handles of the publishing tasks, by partition.
#[derive(Debug)]
pub(super) struct Publisher {
    topology: Arc<Topology>,
    live: Vec<QueueHandle>,
    bulk: Vec<QueueHandle>,
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
    /// Starts the tasks. All publish over one connection, and declare queues over another one, first those that are not
    /// `usable` yet.
    pub(super) fn start(
        publishing: &Arc<Link>,
        declaring: Arc<Link>,
        topology: &Arc<Topology>,
        usable: &[PartitionQueue],
    ) -> Self {
        let declaring = Arc::new(Mutex::new(declaring));
        let start = |queue| {
            let start = |partition| {
                let (jobs, waiting) = mpsc::channel(MAX_WAITING);
                let (connection, connected) = watch::channel(true);
                let queue = PartitionQueue { queue, partition };
                let target = Target {
                    queue,
                    name: topology.name(queue),
                    topology: Arc::clone(topology),
                    declaring: Arc::clone(&declaring),
                    publishing: Arc::clone(publishing),
                };
                tokio::spawn(supervise(target, waiting, connection, usable.contains(&queue)));
                QueueHandle { jobs, connected }
            };
            (0..topology.partitions()).map(start).collect()
        };
        Self { topology: Arc::clone(topology), live: start(Queue::Live), bulk: start(Queue::Bulk) }
    }

    /// Whether the channel of a partition of the live queue is open, which is assumed at the start. The bulk queue is not
    /// checked.
    pub(super) fn is_connected(&self) -> bool {
        self.live.iter().any(|partition| *partition.connected.borrow())
    }

    /// Publishes a message. If the caller drops the future before the message is sent, it is not sent.
    pub(super) async fn publish(
        &self,
        queue: Queue,
        clinic_id: &str,
        body: Bytes,
    ) -> Result<(), PublishError> {
        let (done, result) = oneshot::channel();
        let trace = TraceContext::current();
        let partitions = match queue {
            Queue::Live => &self.live,
            Queue::Bulk => &self.bulk,
            // RabbitMQ itself fills the dead queue.
            Queue::Dead => return Err(PublishError::Disconnected),
        };
        let partition = &partitions[usize::from(self.topology.partition(clinic_id))];
        partition.jobs.send(Job { body, trace, done }).await.map_err(|_| PublishError::Disconnected)?;
        result.await.map_err(|_| PublishError::Disconnected)?
    }
}

/// The target of one publishing task.
struct Target {
    queue: PartitionQueue,
    /// The full name of the queue.
    name: String,
    topology: Arc<Topology>,
    /// The connection that declares queues, see [`Topology::declare_each`]. One task at a time uses it.
    declaring: Arc<Mutex<Arc<Link>>>,
    publishing: Arc<Link>,
}

/// The reason why a channel must be replaced.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the channel was closed")]
    Channel,
    #[error("{0}")]
    Fault(String),
    #[error("the queue is missing; it is declared again")]
    QueueMissing,
    #[error("no confirm arrived; an alarm may block publishers, or the queue may have no leader")]
    Unconfirmed,
}

impl Lost {
    /// Whether the queue itself may be the reason, so that it is declared before the next message is sent to it.
    const fn is_of_the_queue(&self) -> bool {
        matches!(self, Self::QueueMissing | Self::Unconfirmed)
    }
}

/// What a task knows about its queue.
#[derive(Default)]
struct Knowledge {
    /// The size that RabbitMQ has refused.
    limit: SizeLimit,
    /// Whether the queue is declared first, and one message is published first.
    is_suspect: bool,
    backoff: Backoff,
}

async fn supervise(
    target: Target,
    mut jobs: mpsc::Receiver<Job>,
    connection: watch::Sender<bool>,
    is_usable: bool,
) {
    let queue = target.name.as_str();
    let mut known = Knowledge { is_suspect: !is_usable, ..Knowledge::default() };
    let publishing = &target.publishing;
    let mut opened = open(&target, known.is_suspect, publishing.channel()).await;
    loop {
        match opened {
            Ok(channel) => {
                connection.send_replace(true);
                let opened_at = Instant::now();
                let lost = serve(&channel, &target.name, &mut jobs, &mut known).await;
                let Some(reason) = lost.filter(|_| !publishing.has_ended()) else { return };
                known.is_suspect |= reason.is_of_the_queue();
                if opened_at.elapsed() > STABLE_AFTER {
                    known.backoff.reset();
                }
                // The link logs the end of its connection.
                if !matches!(reason, Lost::Channel) {
                    tracing::warn!(queue, %reason, "publishing to RabbitMQ was interrupted");
                }
            }
            Err(reason) => {
                if !reason.is_of_the_connection() {
                    tracing::warn!(queue, %reason, "messages cannot be published to this queue; they are refused until its channel is open again");
                }
            }
        }
        connection.send_replace(false);
        let delay = known.backoff.next_delay();
        let again = async {
            tokio::time::sleep(delay).await;
            let reachable = async { Ok(publishing.channel_when_reachable().await) };
            open(&target, known.is_suspect, reachable).await
        };
        match refuse_during(again, &mut jobs).await {
            Some(again) => opened = again,
            None => return,
        }
    }
}

async fn open(
    target: &Target,
    must_declare: bool,
    channel: impl Future<Output = Result<Channel, LinkError>>,
) -> Result<Channel, LinkError> {
    if must_declare {
        let declaring = target.declaring.lock().await;
        for (_, declared) in target.topology.declare_each(&declaring, &[target.queue]).await? {
            declared?;
        }
    }
    let channel = channel.await?;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Publishes until the channel is lost and returns the reason; `None` if the publisher is dropped. Messages without a
/// confirm by then are reported as `Disconnected`, or `TooLarge` beyond the size limit. A limit that was known at the
/// call is forgotten: afterwards `known` has the limit that this loss revealed.
async fn serve(
    channel: &Channel,
    queue: &str,
    jobs: &mut mpsc::Receiver<Job>,
    known: &mut Knowledge,
) -> Option<Lost> {
    let mut confirms = FuturesUnordered::new();
    let known_limit = std::mem::take(&mut known.limit);
    let mut lost = std::pin::pin!(lost(channel));
    let reason = loop {
        // A queue without a leader accepts messages and confirms none.
        let max_unconfirmed = if known.is_suspect { 1 } else { MAX_UNCONFIRMED };
        tokio::select! {
            () = &mut lost => break Lost::Channel,
            job = jobs.recv(), if confirms.len() < max_unconfirmed => {
                let first = job?;
                let max_messages = (max_unconfirmed - confirms.len()).min(MAX_GROUP_MESSAGES);
                let group = known_limit.refuse_larger(group(first, jobs, max_messages).await);
                match within(try_join_all(group.iter().map(|job| publish(channel, queue, job)))).await {
                    // The bodies are no longer needed.
                    Ok(published) => confirms.extend(group.into_iter().zip(published).map(|(job, confirm)| {
                        let (bytes, done) = (job.body.len(), job.done);
                        async move { (bytes, done, timeout(DEADLINE, confirm).await) }
                    })),
                    Err(fault) => {
                        if let LinkError::Protocol(fault) = &fault {
                            known.limit.learn(fault);
                        }
                        // Dropping the others reports them as disconnected.
                        drop(known.limit.refuse_larger(group));
                        break Lost::Fault(fault.to_string());
                    }
                }
            }
            Some(first) = confirms.next() => {
                let mut group = vec![first];
                while let Some(Some(another)) = confirms.next().now_or_never() {
                    group.push(another);
                }
                if let Some(reason) = answer(group, &mut known.limit) {
                    break reason;
                }
                known.is_suspect = false;
                known.backoff.reset();
            }
        }
    };
    // A channel that was closed for one message has failed the confirms of the others, too. After a returned message, a
    // confirm may belong to it; its caller then hears that the publisher was disconnected.
    if !matches!(reason, Lost::QueueMissing) {
        let rest = std::iter::from_fn(|| confirms.next().now_or_never().flatten()).collect();
        answer(rest, &mut known.limit);
    }
    Some(reason)
}

/// Collects the jobs that are published together. lapin's thread then wakes once for all, and RabbitMQ receives one
/// packet. Yielding lets requests that are ready to run publish first.
async fn group(first: Job, jobs: &mut mpsc::Receiver<Job>, max_messages: usize) -> Vec<Job> {
    tokio::task::yield_now().await;
    let mut bytes = first.body.len();
    let mut group = vec![first];
    while group.len() < max_messages
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
fn answer(group: Vec<Confirmed>, limit: &mut SizeLimit) -> Option<Lost> {
    let is_returned = |(.., confirmation): &Confirmed| {
        matches!(confirmation, Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))))
    };
    if group.iter().any(is_returned) {
        for (_, done, _) in group {
            ignore(done.send(Err(PublishError::Unroutable)), ANSWERED);
        }
        return Some(Lost::QueueMissing);
    }
    let mut lost = None;
    for (bytes, done, confirmation) in group {
        let result = match confirmation {
            Ok(Ok(Confirmation::Ack(_))) => Ok(()),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(PublishError::Refused),
            Ok(Err(fault)) => {
                limit.learn(&fault);
                lost = Some(Lost::Fault(fault.to_string()));
                Err(if limit.holds(bytes) { PublishError::Disconnected } else { PublishError::TooLarge })
            }
            Err(_) => {
                lost = Some(Lost::Unconfirmed);
                Err(PublishError::TimedOut)
            }
        };
        ignore(done.send(result), ANSWERED);
    }
    lost
}

impl SizeLimit {
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
