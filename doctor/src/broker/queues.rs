//! The three queues: whether they exist as `shared/src/broker/rabbitmq/topology.rs` declares them.

use careq_shared::broker::Queue;
use careq_shared::broker::rabbitmq::{Inspection, Refusal, Standing};
use futures_util::future::join_all;

use crate::report::Finding;

/// The command that triggers an election for each quorum queue without a leader (rabbitmq/ra#179).
const TRIGGER_ELECTION: &str = "rabbitmqctl eval '[ra:trigger_election(P) || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) == \
                     rabbit_quorum_queue, P <- [amqqueue:get_pid(Q)], element(1, ra:members(P, 5000)) =/= ok].'";

pub(crate) async fn examine(broker: &Inspection) -> Vec<Finding> {
    let looked =
        join_all(Queue::ALL.iter().map(|queue| async { (*queue, broker.standing(*queue).await) })).await;
    if looked.iter().all(|(_, standing)| *standing == Standing::Missing) {
        let seen = "the first ingress or worker creates the queues";
        return vec![Finding::well("queues.not_made_yet", seen)];
    }
    looked.iter().map(|(queue, standing)| one(&broker.name(*queue), standing)).collect()
}

fn one(name: &str, standing: &Standing) -> Finding {
    match standing {
        Standing::AsDeclared { waiting, consumers } => {
            Finding::well("queues.well", format!("{name} has {waiting} messages and {consumers} consumers"))
        }
        Standing::Missing => {
            Finding::error("queues.missing", format!("{name} does not exist, and other queues do"))
                .means("it was deleted with its messages; an ingress declares it when it next publishes")
                .remedy("look in the broker's log for its deletion; restart an ingress or a worker to create it")
        }
        Standing::Differs(words) => {
            Finding::error("queues.differ", format!("{name} differs from its declaration: {words}"))
                .means(
                    "no process can use it; if it is no quorum queue, or drops old messages, it loses acknowledged events",
                )
                .remedy(format!(
                    "stop every ingress, which might publish to it; empty it by its own workers, or move its messages \
                     with a shovel; then `rabbitmqctl delete_queue {name} --if-empty` (with `-p VIRTUAL_HOST` unless \
                     it is `/`); the next process creates it"
                ))
        }
        Standing::Refused(Refusal::Silent) => {
            Finding::error("queues.silent", format!("RabbitMQ does not answer for {name}"))
                .means("the queue has no leader, or most of its nodes are down: its messages wait")
                .remedy(format!(
                    "`rabbitmq-queues quorum_status {name}` shows its nodes; this triggers missing elections: \
                     {TRIGGER_ELECTION}"
                ))
        }
        Standing::Refused(Refusal::Forbidden(words)) => {
            Finding::error("queues.forbidden", format!("{name} cannot be declared: {words}"))
                .means("no process starts")
                .remedy("grant the permission that RabbitMQ names")
        }
        Standing::Refused(Refusal::VirtualHost(words) | Refusal::Other(words)) => {
            Finding::not_examined("queues.not_examined", format!("{name} cannot be inspected: {words}"))
                .remedy("check RabbitMQ's log, and repeat")
        }
    }
}
