//! The addresses to listen on: free, or answering as ours. Nothing is listened on while somebody answers there.

use std::net::SocketAddr;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::loopback::from_here;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::ask;
use crate::finding::Finding;

/// An address of this machine answers at once, or nobody is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The setting of an address, and the code of each finding about it.
struct Port {
    setting: &'static str,
    well: &'static str,
    taken: &'static str,
    unusable: &'static str,
}

const INGRESS: Port = Port {
    setting: "ingress.listen",
    well: "ports.ingress",
    taken: "ports.ingress_taken",
    unusable: "ports.ingress_unusable",
};

const OPERATIONS: Port = Port {
    setting: "operations.listen",
    well: "ports.operations",
    taken: "ports.operations_taken",
    unusable: "ports.operations_unusable",
};

pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let (ingress, operations) = (config.ingress.listen, config.operations.listen);
    let (ingress, operations) = tokio::join!(
        one(&INGRESS, ingress, is_our_ingress(ingress)),
        one(&OPERATIONS, operations, is_our_operations_port(operations)),
    );
    // The processes that need no certain address take another.
    let is_harmless = |finding: &Finding| finding.code == OPERATIONS.taken && config.operations.is_default();
    let operations = operations.map(|finding| {
        if is_harmless(&finding) {
            let seen = finding.seen.clone();
            let means =
                "an ingress or a worker takes another port; `careq-sync` alone and `console` do not start";
            Finding {
                means: Some(means.to_owned()),
                remedy: finding.remedy,
                ..Finding::warning(finding.code, seen)
            }
        } else {
            finding
        }
    });
    ingress.into_iter().chain(operations).collect()
}

async fn one(port: &Port, address: SocketAddr, is_ours: impl Future<Output = bool>) -> Option<Finding> {
    let Port { setting, .. } = port;
    if address.port() == 0 {
        return None;
    }
    let answers = timeout(ANSWERS_WITHIN, TcpStream::connect(from_here(address))).await;
    if matches!(answers, Ok(Ok(_))) {
        return Some(if is_ours.await {
            Finding::well(port.well, format!("a process of careq-sync answers at {setting}, {address}"))
        } else {
            Finding::error(port.taken, format!("another program has {setting}, {address}"))
                .means("the process that is to listen there does not start")
                .remedy(format!(
                    "`ss -ltnp 'sport = :{}'` names the program: end it, or set {setting} to a free address",
                    address.port()
                ))
        });
    }
    Some(match TcpListener::bind(address).await {
        Ok(_) => Finding::well(
            port.well,
            format!("{setting}, {address}, is free: nothing of careq-sync runs there"),
        ),
        Err(reason) => {
            Finding::error(port.unusable, format!("{setting}, {address}, cannot be listened on: {reason}"))
                .means("the process that is to listen there does not start")
                .remedy(format!("set {setting} to an address of this machine with a port from 1024 on"))
        }
    })
}

/// Its description is open to everyone who reaches the port.
async fn is_our_ingress(address: SocketAddr) -> bool {
    let description = ask::get(from_here(address), "/openapi.json").await;
    let description: Option<Value> = description.and_then(|text| serde_json::from_str(&text).ok());
    description.is_some_and(|description| description["info"]["title"] == "careq-sync")
}

async fn is_our_operations_port(address: SocketAddr) -> bool {
    ask::get(from_here(address), "/livez").await.is_some_and(|text| text == "alive\n")
}
