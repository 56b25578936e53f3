//! Connections to RabbitMQ are closed in order. RabbitMQ logs a warning for each that breaks off, which an operator
//! would have to investigate.

use std::time::Duration;

use careq_shared::broker::Queue;

use crate::harness::{Stack, until, until_reads};

/// A start opens connections for a short time. An improperly closed connection can delay it by a whole deadline.
#[tokio::test]
async fn a_start_closes_its_connections_properly() {
    let workers = 4;
    let stack = Stack::full(workers, &[("CAREQ_LOG_LEVEL", "debug")]).await;
    // Each process closes one connection on which it has declared the queues, and one on which it has asked for a
    // further partition. The consumer of the bulk queue of each worker that gets a partition declares its queue again.
    let least = 2 * (1 + workers) + 1;
    until("every start has closed its connections", || async {
        (connection_ends(&stack.logged()).0 >= least).then_some(())
    })
    .await;
    assert_eq!(connection_ends(&stack.logged()).1, 0, "no connection broke off");
    stack.finish().await;
}

#[tokio::test]
async fn a_stopping_worker_closes_its_connections() {
    let mut stack = Stack::full(1, &[("CAREQ_LOG_LEVEL", "debug")]).await;
    let readers = async || {
        let [live, bulk, dead] = [Queue::Live, Queue::Bulk, Queue::Dead].map(|queue| stack.consumers(queue));
        [live.await, bulk.await, dead.await]
    };
    // The bulk queue is polled.
    let registered = [vec![1, 1], vec![0, 0], vec![1]];
    until_reads(Duration::from_secs(10), "its consumers are registered", &registered, readers).await;
    // Two of the start: the declaration of all queues, and the search for a further partition. Then the consumer of the
    // bulk queue declares its queues. The log also has the two of the ingress.
    until("the bulk consumer has declared its queues", || async {
        (connection_ends(&stack.logged()).0 == 2 + 2 + 1).then_some(())
    })
    .await;
    let (closed, broken_off) = connection_ends(&stack.stop_workers().await);
    // In addition, at the end: one of each of the four consumers, one for publishing, and one for counting ready messages.
    // A worker opens none for results.
    assert_eq!((closed, broken_off), (2 + 1 + 4 + 2, 0));
    stack.finish().await;
}

/// Numbers of connections that were closed properly, and of those that broke off.
fn connection_ends(logged: &str) -> (usize, usize) {
    let count = |ending: &str| logged.matches(&format!("a connection to RabbitMQ {ending}")).count();
    (count("was closed"), count("broke off before it was closed"))
}
