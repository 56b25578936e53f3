//! `careq-sync healthcheck` on real processes: its result matches the state of the process.

use tokio::net::TcpListener;

use crate::harness::{Ended, Process, Stack, amqp_url, until};
use crate::proxy::{Line, Proxy};

#[tokio::test]
async fn every_process_is_found_by_its_own_settings() {
    let mut full = Stack::full(1, &[]).await;
    let mut addresses = full.operations_addresses().await;
    addresses.push(full.admin_address().await);
    assert_eq!(addresses.len(), 3, "an ingress, a worker, a console");
    for address in addresses {
        let operations = [("CAREQ_OPERATIONS_LISTEN", address.as_str())];
        // The ingress is ready at the start of the test; a worker may still be connecting.
        until("the process is ready", || async { check(&[], &address).await.success.then_some(()) }).await;
        let ready = full.command(&["healthcheck"], &operations).await;
        assert_eq!(ready.trim_end(), format!("The process at {address} is ready."));
        let alive = full.command(&["healthcheck", "--live"], &operations).await;
        assert_eq!(alive.trim_end(), format!("The process at {address} is alive."));
    }
    full.finish().await;

    // As in a container: a process that listens on all addresses is reached over the loopback address.
    let standalone = Stack::embedded(&[("CAREQ_OPERATIONS_LISTEN", "0.0.0.0:0")]).await;
    let everywhere = standalone.operations_addresses().await.remove(0);
    let ready = standalone.command(&["healthcheck"], &[("CAREQ_OPERATIONS_LISTEN", &everywhere)]).await;
    let here = everywhere.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(ready.trim_end(), format!("The process at {here} is ready."));
    standalone.finish().await;
}

#[tokio::test]
async fn a_process_without_its_broker_is_alive_and_not_ready() {
    let broker = Proxy::before("127.0.0.1:5672").await;
    let url = amqp_url().replace(broker.server(), &broker.address());
    let stack = Stack::full(1, &[("CAREQ_BROKER_URL", &url)]).await;
    broker.set(Line::Down);
    for address in stack.operations_addresses().await {
        let refused = || async { Some(check(&[], &address).await).filter(|ended| !ended.success) };
        let refused = until("the process is not ready", refused).await;
        assert!(refused.stderr.contains("is not ready: it has no RabbitMQ"), "{}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{}", refused.stdout);
        assert!(check(&["--live"], &address).await.success, "the process is alive");
    }
    broker.set(Line::Open);
    stack.finish().await;
}

#[tokio::test]
async fn a_process_that_does_not_answer_is_not_ready() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let refused = check(&["--within", "100ms"], &address).await;
    assert!(!refused.success);
    assert!(refused.stderr.contains("gave no answer within 100ms"), "{}", refused.stderr);
    drop(mute);
    let refused = check(&[], &address).await;
    assert!(!refused.success);
    assert!(refused.stderr.contains(&format!("no process answers at {address}")), "{}", refused.stderr);

    let unknown = check(&[], "127.0.0.1:0").await;
    assert!(!unknown.success && unknown.stderr.contains("set a port"), "{}", unknown.stderr);

    // The ingress's port is not the operations port.
    let stack = Stack::embedded(&[]).await;
    let mistaken = check(&[], stack.client.address()).await;
    assert!(!mistaken.success && mistaken.stderr.contains("is no operations port"), "{}", mistaken.stderr);
    stack.finish().await;
}

async fn check(options: &[&str], address: &str) -> Ended {
    let arguments: Vec<_> = std::iter::once("healthcheck").chain(options.iter().copied()).collect();
    Process::run(&arguments, &[("CAREQ_OPERATIONS_LISTEN", address)]).await
}
