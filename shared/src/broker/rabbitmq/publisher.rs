//! The tasks that publish, one for each queue. lapin may attribute a confirm to the wrong task when several publish on one channel,
//! so nobody else ever does; handlers wait for their own confirm on a oneshot. A queue that confirms nothing, as one without a
//! leader, must never hold up the others.

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
use crate::ignore::ignore;
use crate::trace_context::{TRACEPARENT, TraceContext};

/// Messages that may await their confirm at the same time, but for those of one round; what comes after waits in the channel of jobs.
const IN_FLIGHT: usize = 4_096;

/// Most messages that are published together.
const ROUND: usize = 256;

/// And as many bytes of them, or one message: the whole round has one deadline, and confirms are not looked at meanwhile.
const ROUND_BYTES: usize = 1_024 * 1_024;

/// How soon an idle publisher notices that its channel is gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// AMQP 0-9-1, "delivery-mode": on disk.
const PERSISTENT: u8 = 2;

/// The queues that are published to. What is in the dead queue, RabbitMQ has put there itself.
const QUEUES: [Queue; 2] = [Queue::Live, Queue::Bulk];

/// Why an answer that nobody receives is ignored.
const ANSWERED: &str = "a sender that stopped waiting has answered its client";

/// Hands messages to the publishing tasks.
#[derive(Debug)]
pub(super) struct Publisher([ToQueue; 2]);

/// One queue's.
#[derive(Debug)]
struct ToQueue {
    queue: Queue,
    jobs: mpsc::Sender<Job>,
    connected: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Job {
    body: Bytes,
    trace: Option<TraceContext>,
    done: oneshot::Sender<Result<(), PublishError>>,
}

impl Publisher {
    /// All publish over one connection, and each declares its queue over one of its own.
    pub(super) fn start(
        publishing: &Arc<Link>,
        declaring: impl Fn(Queue) -> Arc<Link>,
        topology: &Topology,
    ) -> Self {
        Self(QUEUES.map(|queue| {
            let (jobs, waiting) = mpsc::channel(IN_FLIGHT);
            let (connection, connected) = watch::channel(true);
            let target = Target {
                queue,
                name: topology.name(queue),
                topology: topology.clone(),
                declaring: declaring(queue),
                publishing: Arc::clone(publishing),
            };
            tokio::spawn(supervise(target, waiting, connection));
            ToQueue { queue, jobs, connected }
        }))
    }

    /// Whether webhooks can be published.
    pub(super) fn is_connected(&self) -> bool {
        self.to(Queue::Live).is_some_and(|live| *live.connected.borrow())
    }

    /// Whoever waits no longer drops the future; what was not sent by then is not sent at all.
    pub(super) async fn publish(&self, queue: Queue, body: Bytes) -> Result<(), PublishError> {
        let (done, result) = oneshot::channel();
        let trace = TraceContext::current();
        let jobs = &self.to(queue).ok_or(PublishError::Disconnected)?.jobs;
        jobs.send(Job { body, trace, done }).await.map_err(|_| PublishError::Disconnected)?;
        result.await.map_err(|_| PublishError::Disconnected)?
    }

    fn to(&self, queue: Queue) -> Option<&ToQueue> {
        self.0.iter().find(|to| to.queue == queue)
    }
}

/// What one task publishes to.
struct Target {
    queue: Queue,
    /// Its full name.
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
                match serve(&channel, &target.name, &mut jobs, &mut limit).await {
                    Ended::NobodyPublishes => return,
                    Ended::Lost(_) if target.publishing.has_ended() => return,
                    Ended::Lost(reason) => {
                        tracing::warn!(broker, queue, %reason, "publishing to RabbitMQ was interrupted");
                    }
                }
            }
            Err(reason) => {
                tracing::warn!(broker, queue, %reason, "nothing can be published to this queue; CareQ is told 503 meanwhile");
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
    // What RabbitMQ gives up on goes to the dead queue.
    target.topology.declare_each(&target.declaring, &[target.queue, Queue::Dead]).await?;
    let channel = target.publishing.channel().await?;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Why a publishing session ended.
enum Ended {
    NobodyPublishes,
    Lost(String),
}

/// Publishes until the channel is lost. Whoever still waits for a confirm then learns it by its oneshot's end, if not before.
async fn serve(
    channel: &Channel,
    queue: &str,
    jobs: &mut mpsc::Receiver<Job>,
    limit: &mut SizeLimit,
) -> Ended {
    let mut confirms = FuturesUnordered::new();
    let mut lost = std::pin::pin!(lost(channel));
    let reason = loop {
        tokio::select! {
            () = &mut lost => break "the channel was closed".to_owned(),
            job = jobs.recv(), if confirms.len() < IN_FLIGHT => {
                let Some(first) = job else { return Ended::NobodyPublishes };
                let round = limit.refuse_larger(round(first, jobs).await);
                match within(try_join_all(round.iter().map(|job| publish(channel, queue, job)))).await {
                    // Their bodies are not needed any more.
                    Ok(published) => confirms.extend(round.into_iter().zip(published).map(|(job, confirm)| {
                        let sent = Sent { bytes: job.body.len(), done: job.done };
                        async { (sent, timeout(DEADLINE, confirm).await) }
                    })),
                    Err(fault) => {
                        if let LinkError::Protocol(fault) = &fault {
                            limit.learn(fault);
                        }
                        drop(limit.refuse_larger(round));
                        break fault.to_string();
                    }
                }
            }
            Some(first) = confirms.next() => {
                let mut round = vec![first];
                while let Some(Some(another)) = confirms.next().now_or_never() {
                    round.push(another);
                }
                if let Some(reason) = settle(round, limit) {
                    break reason;
                }
            }
        }
    };
    // A channel that was closed for one message has failed the others' confirms, too.
    let rest: Vec<Confirmed> = std::iter::from_fn(|| confirms.next().now_or_never().flatten()).collect();
    settle(rest, limit);
    Ended::Lost(reason)
}

/// The jobs that are published together with a first one: lapin's thread is woken once for all of them, and RabbitMQ gets one packet.
/// Requests that are ready to run come to their publishing first.
async fn round(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    tokio::task::yield_now().await;
    let mut bytes = first.body.len();
    let mut round = vec![first];
    while round.len() < ROUND
        && bytes < ROUND_BYTES
        && let Ok(another) = jobs.try_recv()
    {
        bytes += another.body.len();
        round.push(another);
    }
    // Whose sender gave up was told so; publishing it now would only make a copy.
    round.retain(|job| !job.done.is_closed());
    round
}

/// Whoever publishes nothing would not notice, and be taken for ready while nothing can be published.
async fn lost(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A message that was published.
struct Sent {
    bytes: usize,
    done: oneshot::Sender<Result<(), PublishError>>,
}

type Confirmed = (Sent, Result<lapin::Result<Confirmation>, Elapsed>);

/// Tells the senders of one round. Why the channel can no longer be trusted, if it cannot: then nobody of the round is told
/// "done", for lapin gives a returned message to whichever confirm comes first, which need not be its own.
fn settle(round: Vec<Confirmed>, limit: &mut SizeLimit) -> Option<String> {
    let is_returned = |(_, confirmation): &Confirmed| {
        matches!(confirmation, Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))))
    };
    if round.iter().any(is_returned) {
        for (Sent { done, .. }, _) in round {
            ignore(done.send(Err(PublishError::Unroutable)), ANSWERED);
        }
        return Some("a queue is missing; it is declared again".to_owned());
    }
    let mut lost = None;
    for (Sent { bytes, done }, confirmation) in round {
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

/// RabbitMQ's `max_message_size`, as soon as it has refused a message for it. It closes the channel then, and all that was on its way
/// there fails: so what is larger is not sent again, until the channel is lost for another reason.
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
        self.0.is_none_or(|most| bytes <= most)
    }

    /// The jobs that are small enough; the others are told.
    fn refuse_larger(&self, round: Vec<Job>) -> Vec<Job> {
        let (held, larger): (Vec<_>, Vec<_>) = round.into_iter().partition(|job| self.holds(job.body.len()));
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
            // Without `mandatory`, RabbitMQ confirms what it could not route, and drops it.
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            &job.body,
            properties,
        )
        .await
}

/// Tells everyone at once that there is no broker, until there may be one. `None`: nobody publishes any more.
async fn refuse_during<T>(opening: impl Future<Output = T>, jobs: &mut mpsc::Receiver<Job>) -> Option<T> {
    tokio::pin!(opening);
    loop {
        tokio::select! {
            opened = &mut opening => return Some(opened),
            job = jobs.recv() => ignore(job?.done.send(Err(PublishError::Disconnected)), ANSWERED),
        }
    }
}
