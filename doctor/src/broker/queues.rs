//! The queues: whether they exist as `shared/src/broker/rabbitmq/topology.rs` declares them, and whether workers read them.

use careq_shared::broker::Queue;
use careq_shared::broker::rabbitmq::{Inspection, PartitionQueue, Refusal, Standing};
use futures_util::stream::{self, StreamExt as _};

use crate::report::Finding;

/// The number of queues that are inspected at the same time. A queue without a leader answers only by a timeout of 5 s, and 513 such
/// queues must fit into the examination. Each inspection uses two channels; RabbitMQ allows 2,047 on a connection by default.
const CONCURRENCY: usize = 256;

/// The command that triggers an election for each quorum queue without a leader (rabbitmq/ra#179).
const TRIGGER_ELECTION: &str = "rabbitmqctl eval '[ra:trigger_election(P) || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) == \
                     rabbit_quorum_queue, P <- [amqqueue:get_pid(Q)], element(1, ra:members(P, 5000)) =/= ok].'";

/// An inspected queue.
type Inspected = (PartitionQueue, Standing);

pub(crate) async fn examine(broker: &Inspection, has_worker: bool) -> Vec<Finding> {
    let inspecting =
        broker.queues().into_iter().map(|queue| async move { (queue, broker.standing(queue).await) });
    let inspected: Vec<Inspected> = stream::iter(inspecting).buffered(CONCURRENCY).collect().await;
    if inspected.iter().all(|(_, standing)| *standing == Standing::Missing) {
        let seen = "the first ingress or worker creates the queues";
        return vec![Finding::well("queues.not_made_yet", seen)];
    }
    let (well, bad): (Vec<_>, Vec<_>) =
        inspected.into_iter().partition(|(_, standing)| matches!(standing, Standing::AsDeclared { .. }));
    let mut findings = Vec::new();
    if !well.is_empty() {
        findings.push(as_declared(&well));
    }
    if has_worker {
        findings.extend(without_consumer(broker, &well));
    }
    findings.extend(bad.chunk_by(|(_, one), (_, other)| one == other).map(|alike| bad_queues(broker, alike)));
    findings
}

/// The names of queues; neighbouring partitions are written as a range.
pub(super) fn names(broker: &Inspection, queues: &[PartitionQueue]) -> String {
    let is_next = |one: &PartitionQueue, next: &PartitionQueue| {
        one.queue == next.queue && one.partition + 1 == next.partition
    };
    let name = |range: &[PartitionQueue]| match range {
        [first, .., last] => format!("{} to .{:02}", broker.name(*first), last.partition),
        only => only.iter().map(|queue| broker.name(*queue)).collect(),
    };
    queues.chunk_by(is_next).map(name).collect::<Vec<_>>().join(", ")
}

/// The messages that no consumer holds, and the consumers.
fn totals(inspected: &[Inspected]) -> (u64, u64) {
    let totals = inspected.iter().map(|(_, standing)| match standing {
        Standing::AsDeclared { waiting, consumers } => (u64::from(*waiting), u64::from(*consumers)),
        _ => (0, 0),
    });
    totals.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

fn as_declared(well: &[Inspected]) -> Finding {
    let (queues, (messages, consumers)) = (well.len(), totals(well));
    let seen = format!("{queues} queues are as declared, with {messages} messages and {consumers} consumers");
    Finding::well("queues.well", seen)
}

/// Live partitions with messages and without a consumer. Bulk partitions never have a consumer: workers get their messages one by one.
fn without_consumer(broker: &Inspection, well: &[Inspected]) -> Option<Finding> {
    let is_unread = |(queue, standing): &&Inspected| {
        queue.queue == Queue::Live && matches!(standing, Standing::AsDeclared { waiting: 1.., consumers: 0 })
    };
    let unread: Vec<_> = well.iter().filter(is_unread).map(|(queue, _)| *queue).collect();
    let seen =
        format!("messages wait without a consumer, although a worker runs: {}", names(broker, &unread));
    let finding = Finding::warning("queues.without_consumer", seen)
        .means(
            "events of these partitions' clinics are not stored until a worker reads them; for some seconds after a worker has \
             started or ended this is usual",
        )
        .remedy(
            "repeat after ten seconds; if it remains, look for `a queue cannot be used` and `the workers cannot be read` in the \
             workers' logs, and restart the workers one by one",
        );
    (!unread.is_empty()).then_some(finding)
}

/// The finding of queues in the same state.
fn bad_queues(broker: &Inspection, alike: &[Inspected]) -> Finding {
    let queues: Vec<_> = alike.iter().map(|(queue, _)| *queue).collect();
    let (names, first) = (names(broker, &queues), broker.name(queues[0]));
    match &alike[0].1 {
        Standing::AsDeclared { .. } => as_declared(alike),
        Standing::Missing => {
            Finding::error("queues.missing", format!("missing, while other queues exist: {names}"))
                .means(
                    "they were deleted with their messages, and the next message of an ingress declares them again; or broker.partitions \
                     was raised, and no process has started since",
                )
                .remedy("look in the broker's log for a deletion; restart an ingress or a worker to create them")
        }
        Standing::Differs(words) => {
            Finding::error("queues.differ", format!("{names} differs from its declaration: {words}"))
                .means(
                    "no process can use it; if it is no quorum queue, or drops old messages, it loses acknowledged events",
                )
                .remedy(format!(
                    "stop every ingress, which might publish to it; empty it by its own workers, or move its messages \
                     with a shovel; then `rabbitmqctl delete_queue {first} --if-empty` (with `-p VIRTUAL_HOST` unless \
                     it is `/`); the next process creates it"
                ))
        }
        Standing::Refused(Refusal::Silent) => {
            Finding::error("queues.silent", format!("RabbitMQ does not answer for {names}"))
                .means(
                    "a queue without an answer has no leader, or most of its nodes are down: its messages wait, and webhooks of its \
                     clinics are answered 503",
                )
                .remedy(format!(
                    "`rabbitmq-queues quorum_status {first}` shows its nodes; this triggers missing elections: \
                     {TRIGGER_ELECTION}"
                ))
        }
        Standing::Refused(Refusal::Forbidden(words)) => {
            Finding::error("queues.forbidden", format!("{names} cannot be declared: {words}"))
                .means("no process starts")
                .remedy("grant the permission that RabbitMQ names")
        }
        Standing::Refused(Refusal::VirtualHost(words) | Refusal::Other(words)) => {
            Finding::not_examined("queues.not_examined", format!("{names} cannot be inspected: {words}"))
                .remedy("check RabbitMQ's log, and repeat")
        }
    }
}

/// Partitions beyond `broker.partitions`.
pub(crate) async fn examine_leftovers(broker: &Inspection) -> Vec<Finding> {
    let inspected = broker.leftovers().await;
    let mut queues: Vec<_> = inspected.iter().map(|(queue, _)| *queue).collect();
    queues.sort_by_key(|queue| queue.queue == Queue::Bulk);
    let Some(last) = queues.last() else { return Vec::new() };
    let (messages, _) = totals(&inspected);
    let seen = format!(
        "partitions beyond broker.partitions exist, with {messages} messages: {}",
        names(broker, &queues)
    );
    let is_empty = |(_, standing): &Inspected| matches!(standing, Standing::AsDeclared { waiting: 0, .. });
    let remedy = if inspected.iter().all(is_empty) {
        format!(
            "leave them; or, when every process runs with the same broker.partitions and `rabbitmqctl list_queues name messages` \
             shows none, delete them from the highest number down, as `rabbitmqctl delete_queue {}` (docs/guide/scale-out.md)",
            broker.name(*last)
        )
    } else {
        "wait until the workers have emptied them, and repeat".to_owned()
    };
    let finding = Finding::warning("queues.leftover", seen)
        .means("broker.partitions was lowered, or another process has a larger one; workers read these partitions, too")
        .remedy(remedy);
    vec![finding]
}
