//! The partitions of each consumer. Every worker reads the same rows of `processes` and computes the same assignment, so
//! there is no coordinator. One consumer at a time reads a partition as an optimisation: for a moment there may be two or
//! none, and nothing depends on it.

mod liveness;
mod rendezvous;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use careq_shared::broker::{Assignment, partition};
use careq_shared::config::Process;
use careq_shared::processes::{self, RENEWAL_INTERVAL, Registered, Registration};
use careq_shared::unreachable;
use sea_orm::DbErr;
use tokio::sync::watch;
use uuid::Uuid;

use crate::context::Context;
use crate::observe;
use liveness::Liveness;
use rendezvous::Member;

/// The maximum number of consumers of a process (`worker.concurrency`). A later version's row may say more.
const MAX_CONSUMERS: i32 = 64;

/// The age at which the row of an ended process is deleted, long after each worker has noticed.
const DELETED_AFTER: Duration = Duration::from_mins(1);

/// The time without the broker after which others read this worker's partitions.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(10);

/// The partitions of this process's consumers.
#[derive(Debug, Clone)]
pub(crate) struct Assignments {
    live: Arc<[watch::Sender<BTreeSet<u16>>]>,
    /// The partitions of all its consumers.
    bulk: watch::Sender<BTreeSet<u16>>,
}

impl Assignments {
    /// Nothing is assigned yet.
    pub(crate) fn new(consumers: usize) -> Self {
        let live = std::iter::repeat_with(watch::Sender::default).take(consumers).collect();
        Self { live, bulk: watch::Sender::default() }
    }

    /// The partitions of each consumer of the live queue.
    pub(crate) fn live(&self) -> impl Iterator<Item = Assignment> {
        self.live.iter().map(watch::Sender::subscribe)
    }

    /// The partitions of the consumer of the bulk queue.
    pub(crate) fn bulk(&self) -> Assignment {
        self.bulk.subscribe()
    }

    fn set(&self, of_consumer: impl Fn(usize) -> BTreeSet<u16>) {
        let mut all = BTreeSet::new();
        for (consumer, sender) in self.live.iter().enumerate() {
            let partitions = of_consumer(consumer);
            all.extend(&partitions);
            replace(sender, partitions);
        }
        observe::assigned(all.len());
        replace(&self.bulk, all);
    }
}

fn replace(sender: &watch::Sender<BTreeSet<u16>>, partitions: BTreeSet<u16>) {
    sender.send_if_modified(|before| {
        let is_new = *before != partitions;
        *before = partitions;
        is_new
    });
}

/// Registers this process and follows the others until the process stops. Without an answer of the database, the last
/// assignment holds.
pub(crate) async fn run(context: Context, assignments: Assignments) {
    let (database, process) = (context.database.clone(), context.settings.process);
    if !context.broker.is_shared() {
        observe::assigned(context.broker.partitions().into());
        return processes::keep_registered(database, process, 1, context.shutdown.clone()).await;
    }
    let mut follower = Follower {
        registration: Registration::new(process),
        liveness: Liveness::default(),
        connected_at: Instant::now(),
        members: Vec::new(),
        context,
        assignments,
    };
    let mut answers = true;
    loop {
        let result = follower.follow().await;
        if let Err(reason) = &result
            && answers
        {
            let reason = unreachable::database(reason);
            tracing::warn!(
                reason,
                "the workers cannot be read from the database; the partitions stay with their consumers"
            );
        }
        answers = result.is_ok();
        let until_next_end =
            follower.liveness.until_next_end().filter(|_| answers).unwrap_or(RENEWAL_INTERVAL);
        if follower.context.pause(RENEWAL_INTERVAL.min(until_next_end)).await.is_err() {
            return follower.registration.remove(&database).await;
        }
    }
}

/// What this worker knows of the others.
struct Follower {
    context: Context,
    assignments: Assignments,
    registration: Registration,
    liveness: Liveness,
    /// The last time at which this worker could reach the broker.
    connected_at: Instant,
    /// The members of the assignment that is in force.
    members: Vec<Member>,
}

impl Follower {
    /// Renews the own row, reads the others, and assigns the partitions.
    async fn follow(&mut self) -> Result<(), DbErr> {
        let own_consumers = self.working_consumers();
        let (database, broker) = (self.context.database.clone(), Arc::clone(&self.context.broker));
        self.registration.renew(&database, own_consumers, broker.partitions()).await?;
        let rows = processes::all(&database).await?;
        let living = self.liveness.living(&rows, Instant::now());
        // An ingress that has ended has published to its partitions, too.
        let known = rows.iter().filter_map(|row| u16::try_from(row.partitions).ok());
        let before = broker.partitions();
        broker.expect_partitions(known.filter(|known| *known <= partition::MAX).max().unwrap_or_default());
        let members = members(&living, self.registration.id(), own_consumers);
        // While no worker reaches the broker, each keeps its partitions.
        if !members.is_empty() && (members != self.members || before != broker.partitions()) {
            self.assign(&members);
            self.members = members;
        }
        processes::delete(&database, self.liveness.silent_for(DELETED_AFTER)).await
    }

    /// The number of this process's consumers; 0 if it has not reached the broker for a while, so that others read its
    /// partitions.
    fn working_consumers(&mut self) -> usize {
        if self.context.broker.is_connected() && self.context.broker.is_readable() {
            self.connected_at = Instant::now();
        }
        if self.connected_at.elapsed() < DISCONNECTED_AFTER { self.assignments.live.len() } else { 0 }
    }

    fn assign(&self, members: &[Member]) {
        let assigned = rendezvous::assign(members, self.context.broker.partitions());
        let own = self.registration.id();
        self.assignments.set(|consumer| {
            let is_its = |member: &Member| member.process == own && usize::from(member.consumer) == consumer;
            (0..)
                .zip(&assigned)
                .filter(|(_, member)| is_its(member))
                .map(|(partition, _)| partition)
                .collect()
        });
    }
}

/// The working consumers of living workers, in order.
fn members(living: &[&Registered], own: Uuid, own_consumers: usize) -> Vec<Member> {
    let is_worker = |row: &&&Registered| {
        row.id != own
            && [Process::Worker, Process::Standalone].map(Process::runs_on).contains(&Some(&row.kind))
    };
    let others = living.iter().filter(is_worker).map(|row| (row.id, row.concurrency.clamp(0, MAX_CONSUMERS)));
    let own = (own, i32::try_from(own_consumers).unwrap_or(MAX_CONSUMERS));
    let consumers =
        |(process, count)| (0..count).zip(0_u16..).map(move |(_, consumer)| Member { process, consumer });
    let mut members: Vec<_> = others.chain([own]).flat_map(consumers).collect();
    members.sort_unstable();
    members
}
