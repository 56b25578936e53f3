//! The three queues: whether they exist as `shared/src/broker/rabbitmq/topology.rs` declares them, and have consumers.

use careq_shared::broker::Queue;
use careq_shared::broker::rabbitmq::{Inspection, Refusal, Standing};
use futures_util::future::join_all;

use crate::finding::Finding;

/// The command that triggers an election for each quorum queue without a leader (rabbitmq/ra#179).
const TRIGGER_ELECTION: &str = "rabbitmqctl eval '[ra:trigger_election(P) || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) == \
                     rabbit_quorum_queue, P <- [amqqueue:get_pid(Q)], element(1, ra:members(P, 5000)) =/= ok].'";

pub(crate) async fn examine(broker: &Inspection) -> Vec<Finding> {
    let looked = join_all(Queue::ALL.map(|queue| async move { (queue, broker.standing(queue).await) })).await;
    if looked.iter().all(|(_, standing)| *standing == Standing::Missing) {
        let seen = "the queues are not there yet: the first ingress or worker makes them";
        return vec![Finding::well("queues.not_made_yet", seen)];
    }
    looked.iter().map(|(queue, standing)| one(*queue, &broker.name(*queue), standing)).collect()
}

fn one(queue: Queue, name: &str, standing: &Standing) -> Finding {
    match standing {
        Standing::AsDeclared { waiting, consumers } => as_declared(queue, name, *waiting, *consumers),
        Standing::Missing => Finding::error(
            "queues.missing",
            format!("{name} is not there, and other queues of ours are"),
        )
        .means(
            "it was deleted with its messages; an ingress declares it again when it next publishes",
        )
        .remedy(
            "find out who deletes queues (the broker's log); restart an ingress or a worker to have it made",
        ),
        Standing::Differs(words) => Finding::error(
            "queues.differ",
            format!("{name} is not as careq-sync declares it: {words}"),
        )
        .means(
            "no process can use it; and if it is no quorum queue, or drops what is old, it loses what was \
             acknowledged",
        )
        .remedy(format!(
            "stop every ingress, which might publish to it meanwhile; let the workers of whatever made it empty \
             it, or move its messages with a shovel; then `rabbitmqctl delete_queue {name} --if-empty` (with `-p \
             VIRTUAL_HOST` where it is not `/`), and the next process makes it as it should be"
        )),
        Standing::Refused(Refusal::Silent) => Finding::error(
            "queues.silent",
            format!("RabbitMQ does not answer for {name}"),
        )
        .means("the queue has lost its leader, or most of its nodes are away: what is in it waits")
        .remedy(format!(
            "`rabbitmq-queues quorum_status {name}` tells; this has the server elect where there is none: \
             {TRIGGER_ELECTION}"
        )),
        Standing::Refused(Refusal::Forbidden(words)) => {
            Finding::error("queues.forbidden", format!("{name} may not be declared: {words}"))
                .means("no process starts: each declares its queues first")
                .remedy(format!(
                    "give the user all three permissions on the queues: rabbitmqctl set_permissions [-p VIRTUAL_HOST] \
                     USER '.*' '.*' '.*'; RabbitMQ says which one is missing for {name}"
                ))
        }
        Standing::Refused(Refusal::VirtualHost(words) | Refusal::Other(words)) => {
            Finding::not_examined("queues.not_examined", format!("{name} cannot be looked at: {words}"))
                .remedy("check the broker's log, and run this again")
        }
    }
}

fn as_declared(queue: Queue, name: &str, waiting: u32, consumers: u32) -> Finding {
    let seen = format!("{name} has {waiting} messages and {consumers} readers");
    if consumers == 0 && waiting > 0 {
        return Finding::error("queues.unread", seen)
            .means("no worker consumes the accepted events: they are safe, but not stored")
            .remedy("start a worker (`careq-sync worker`), or look into the log of the one that runs");
    }
    if queue == Queue::Dead && waiting > 0 {
        return Finding::warning("queues.dead_letters", seen)
            .means("RabbitMQ has given up on messages, and no worker has taken them into the list of dead letters yet")
            .remedy("run this again in a minute; if they stay, look into the workers' logs");
    }
    Finding::well("queues.well", seen)
}
