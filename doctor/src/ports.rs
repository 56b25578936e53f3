//! The listen addresses: free, or in use by careq-sync. An address is only bound if nothing accepts a connection there. A process that is
//! too busy to respond is reported as unknown, not as another program.

use std::net::SocketAddr;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::loopback::from_here;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::finding::Finding;
use crate::http::{self, Reply};

/// The timeout of a connection within this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The setting of an address, with the codes of its findings.
struct Port {
    setting: &'static str,
    well: &'static str,
    taken: &'static str,
    silent: &'static str,
    unusable: &'static str,
}

const INGRESS: Port = Port {
    setting: "ingress.listen",
    well: "ports.ingress",
    taken: "ports.ingress_taken",
    silent: "ports.ingress_silent",
    unusable: "ports.ingress_unusable",
};

const OPERATIONS: Port = Port {
    setting: "operations.listen",
    well: "ports.operations",
    taken: "ports.operations_taken",
    silent: "ports.operations_silent",
    unusable: "ports.operations_unusable",
};

pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let (ingress, operations) = (config.ingress.listen, config.operations.listen);
    let (ingress, operations) = tokio::join!(
        one(&INGRESS, ingress, Box::pin(ingress_listener(ingress))),
        one(&OPERATIONS, operations, Box::pin(operations_listener(operations))),
    );
    // A process without the admin API uses another port if the default one is taken.
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

/// The program that listens on an address.
enum Listener {
    CareqSync,
    Other,
    /// It accepts connections, but does not respond.
    Unknown,
}

async fn one(port: &Port, address: SocketAddr, listener: impl Future<Output = Listener>) -> Option<Finding> {
    let Port { setting, .. } = port;
    if address.port() == 0 {
        return None;
    }
    let answers = timeout(CONNECT_TIMEOUT, TcpStream::connect(from_here(address))).await;
    if matches!(answers, Ok(Ok(_))) {
        let name = format!("`ss -ltnp 'sport = :{}'` names the program", address.port());
        return Some(match listener.await {
            Listener::CareqSync => {
                Finding::well(port.well, format!("a process of careq-sync answers at {setting}, {address}"))
            }
            Listener::Unknown => Finding::not_examined(
                port.silent,
                format!("the program that listens on {setting}, {address}, does not respond"),
            )
            .means("if it is not careq-sync, the process that is to listen there does not start")
            .remedy(format!(
                "{name}; an ingress that is full answers like this: look at its log, and do not end it"
            )),
            Listener::Other => {
                Finding::error(port.taken, format!("another program has {setting}, {address}"))
                    .means("the process that is to listen there does not start")
                    .remedy(format!("{name}: end it, or set {setting} to a free address"))
            }
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

/// Recognises an ingress by its public OpenAPI document.
async fn ingress_listener(address: SocketAddr) -> Listener {
    identify(address, "/openapi.json", |text| {
        serde_json::from_str::<Value>(text).is_ok_and(|document| document["info"]["title"] == "careq-sync")
    })
    .await
}

async fn operations_listener(address: SocketAddr) -> Listener {
    identify(address, "/livez", |text| text == "alive\n").await
}

async fn identify(address: SocketAddr, path: &str, is_careq_sync: impl FnOnce(&str) -> bool) -> Listener {
    match http::get(from_here(address), path).await {
        Reply::Text(text) if is_careq_sync(&text) => Listener::CareqSync,
        Reply::Text(_) | Reply::Invalid => Listener::Other,
        Reply::Unavailable => Listener::Unknown,
    }
}
