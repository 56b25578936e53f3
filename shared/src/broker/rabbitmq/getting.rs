//! A consumer of large messages. AMQP limits prefetched messages by number only, and one message has up to 16 MiB. So this
//! consumer prefetches none: it asks for one message at a time, from its partitions in turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use lapin::message::{BasicGetMessage, Delivery as LapinDelivery};
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::{Acker, Channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::consumer::changed;
use super::delivery::delivery;
use super::link::{LinkError, within};
use super::source::Source;
use super::subscription::give_back;
use super::topology::PartitionQueue;
use crate::backoff::Backoff;
use crate::broker::port::{Assignment, Consumer, Delivery, NotAcked};
use crate::telemetry::metrics::{ByQueue, metrics};

/// The pause after a round without a message, and its minimum for each partition. Each round counts the messages of every queue.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const POLL_INTERVAL_OF_PARTITION: Duration = Duration::from_millis(5);

/// The timeout of one message. The largest takes seconds on a slow network.
const GET_TIMEOUT: Duration = Duration::from_secs(20);

/// The delays before a queue that did not answer is tried again. Each try ends the connection, so the delay doubles.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(30);
const MAX_RETRY_DELAY: Duration = Duration::from_mins(15);

/// How long a closing consumer waits for the answer of a round.
const LAST_ROUND_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct GettingConsumer {
    source: Arc<Source>,
    assignment: Assignment,
    /// A new one while a round has it.
    reader: Reader,
    round: Option<JoinHandle<(Reader, Option<LapinDelivery>)>>,
    in_flight: Option<Acker>,
}

/// The state of the rounds.
#[derive(Default)]
struct Reader {
    channel: Option<Channel>,
    /// The partitions whose queues exist.
    declared: BTreeSet<u16>,
    /// Queues that could not be used.
    unusable: BTreeMap<u16, Unusable>,
    /// Queues that had messages, and have not had their turn since.
    filled: VecDeque<PartitionQueue>,
    backoff: Backoff,
}

struct Unusable {
    retry_at: Instant,
    delay: Duration,
}

impl Reader {
    /// Leaves a queue out for a while.
    fn leave_out(&mut self, partition: u16) {
        let is_recent = |unusable: &&Unusable| unusable.retry_at.elapsed() < MAX_RETRY_DELAY;
        let before = self.unusable.get(&partition).filter(is_recent).map(|unusable| unusable.delay * 2);
        let delay = before.unwrap_or(MIN_RETRY_DELAY).min(MAX_RETRY_DELAY);
        self.unusable.insert(partition, Unusable { retry_at: Instant::now() + delay, delay });
    }
}

impl GettingConsumer {
    pub(super) fn new(source: Source, assignment: Assignment) -> Self {
        let source = Arc::new(source);
        Self { source, assignment, reader: Reader::default(), round: None, in_flight: None }
    }

    /// One round over the partitions. A task carries it out: a dropped answer would be a message that no one has.
    async fn round(&mut self) -> Option<LapinDelivery> {
        let assigned = self.assignment.borrow_and_update().clone();
        let (source, reader) = (&self.source, &mut self.reader);
        let round = self
            .round
            .get_or_insert_with(|| tokio::spawn(Arc::clone(source).read(std::mem::take(reader), assigned)));
        let ended = round.await;
        self.round = None;
        match ended {
            Ok((reader, got)) => {
                self.reader = reader;
                got
            }
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // A task is cancelled only while the process ends.
            Err(_) => std::future::pending().await,
        }
    }

    /// Ends the connection, so that RabbitMQ delivers its message again.
    async fn end_session(&mut self) {
        self.source.link.close(self.reader.channel.take()).await;
    }
}

impl Source {
    /// One round, and the reader for the next one.
    async fn read(
        self: Arc<Self>,
        mut reader: Reader,
        assigned: BTreeSet<u16>,
    ) -> (Reader, Option<LapinDelivery>) {
        match self.get(&mut reader, &assigned).await {
            Ok(got) => {
                reader.backoff.reset();
                (reader, got.map(|got| got.delivery))
            }
            Err(reason) => {
                // The link logs the end of its connection.
                if !reason.is_of_the_connection() {
                    let queue = self.queue.as_str();
                    tracing::warn!(queue, %reason, "reading from RabbitMQ was interrupted; trying again");
                }
                reader.declared.clear();
                self.link.close(reader.channel.take()).await;
                reader.backoff.wait().await;
                (reader, None)
            }
        }
    }

    /// The next message. Each queue that has messages gets its turn before they are counted again.
    async fn get(
        &self,
        reader: &mut Reader,
        assigned: &BTreeSet<u16>,
    ) -> Result<Option<BasicGetMessage>, LinkError> {
        let now = Instant::now();
        let is_tried =
            |partition: &u16| reader.unusable.get(partition).is_none_or(|unusable| unusable.retry_at <= now);
        let tried: BTreeSet<_> = assigned.iter().copied().filter(is_tried).collect();
        if !tried.is_subset(&reader.declared) {
            reader.declared.clear();
            // A queue that does not answer ends its connection.
            self.link.close(reader.channel.take()).await;
            drop(self.channel(&self.link).await);
            for (queue, declared) in self.topology.declare_each(&self.link, &self.queues(&tried)).await? {
                // What was published to a queue with other arguments is read, too.
                if declared.as_ref().err().is_none_or(LinkError::is_of_other_arguments) {
                    reader.declared.insert(queue.partition);
                } else {
                    reader.leave_out(queue.partition);
                }
            }
        }
        let usable = &tried & &reader.declared;
        let unusable = i64::try_from(assigned.len() - usable.len()).unwrap_or(i64::MAX);
        metrics().unusable_partitions.get_or_create(&ByQueue { queue: self.queue.as_str() }).set(unusable);
        reader.filled.retain(|queue| usable.contains(&queue.partition));
        if usable.is_empty() {
            return Ok(None);
        }
        let channel = match reader.channel.take() {
            Some(channel) => channel,
            None => self.channel(&self.link).await,
        };
        let channel = reader.channel.insert(channel);
        if reader.filled.is_empty() {
            reader.filled = self.filled(channel, &usable).await?;
        }
        while let Some(queue) = reader.filled.pop_front() {
            let name = self.topology.name(queue).into();
            let got = timeout(GET_TIMEOUT, channel.basic_get(name, BasicGetOptions::default())).await;
            let Ok(got) = got else {
                reader.leave_out(queue.partition);
                return Err(LinkError::TimedOut);
            };
            let got = got?;
            reader.unusable.remove(&queue.partition);
            if let Some(got) = got {
                return Ok(Some(got));
            }
        }
        Ok(None)
    }

    /// The queues of partitions.
    fn queues(&self, partitions: &BTreeSet<u16>) -> Vec<PartitionQueue> {
        let queue = |partition: &u16| PartitionQueue { queue: self.queue, partition: *partition };
        partitions.iter().map(queue).collect()
    }

    /// The queues that have messages. They are counted first: a `basic.get` is written to the log of a quorum queue, even if
    /// the queue is empty.
    async fn filled(
        &self,
        channel: &Channel,
        partitions: &BTreeSet<u16>,
    ) -> Result<VecDeque<PartitionQueue>, LinkError> {
        let queues = self.queues(partitions);
        let states = try_join_all(queues.iter().map(|queue| self.topology.state(channel, *queue))).await?;
        let counted = queues.into_iter().zip(states);
        Ok(counted.filter(|(_, state)| state.message_count() > 0).map(|(queue, _)| queue).collect())
    }
}

#[async_trait]
impl Consumer for GettingConsumer {
    async fn next(&mut self) -> Vec<Delivery> {
        loop {
            if let Some(got) = self.round().await {
                self.in_flight = Some(got.acker.clone());
                return vec![delivery(got)];
            }
            let partitions = u32::try_from(self.assignment.borrow().len()).unwrap_or(u32::MAX);
            let pause = POLL_INTERVAL.max(POLL_INTERVAL_OF_PARTITION.saturating_mul(partitions));
            tokio::select! {
                () = sleep(pause) => {}
                () = changed(&mut self.assignment) => {}
            }
        }
    }

    async fn ack(&mut self) -> Result<(), NotAcked> {
        let Some(acker) = self.in_flight.take() else { return Ok(()) };
        // `Ok(false)` means that the channel is closed.
        if matches!(within(acker.ack(BasicAckOptions::default())).await, Ok(true)) {
            return Ok(());
        }
        self.end_session().await;
        Err(NotAcked)
    }

    async fn requeue(&mut self) {
        if let Some(acker) = self.in_flight.take()
            && !give_back(&acker).await
        {
            self.end_session().await;
        }
    }

    async fn close(mut self: Box<Self>) {
        self.requeue().await;
        if self.round.is_some()
            && let Ok(Some(got)) = timeout(LAST_ROUND_TIMEOUT, self.round()).await
        {
            // A message that is not returned is free when the connection ends.
            give_back(&got.acker).await;
        }
        // Before the channel is dropped, see `Link::close`.
        self.source.link.end().await;
    }
}
