//! The addresses to listen on: free, or answering as ours. Nothing is listened on while somebody answers there, and a process that is
//! too busy to say who it is must never be taken for a stranger.

use std::net::SocketAddr;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::loopback::from_here;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::ask::{self, Said};
use crate::finding::Finding;

/// An address of this machine answers at once, or nobody is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The setting of an address, and the code of each finding about it.
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
        one(&INGRESS, ingress, Box::pin(our_ingress(ingress))),
        one(&OPERATIONS, operations, Box::pin(our_operations_port(operations))),
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

/// Who answers at an address.
enum Whose {
    Ours,
    Foreign,
    /// It takes connections and does not say.
    Unknown,
}

async fn one(port: &Port, address: SocketAddr, whose: impl Future<Output = Whose>) -> Option<Finding> {
    let Port { setting, .. } = port;
    if address.port() == 0 {
        return None;
    }
    let answers = timeout(ANSWERS_WITHIN, TcpStream::connect(from_here(address))).await;
    if matches!(answers, Ok(Ok(_))) {
        let name = format!("`ss -ltnp 'sport = :{}'` names the program", address.port());
        return Some(match whose.await {
            Whose::Ours => {
                Finding::well(port.well, format!("a process of careq-sync answers at {setting}, {address}"))
            }
            Whose::Unknown => Finding::not_examined(
                port.silent,
                format!("whoever has {setting}, {address}, does not say who it is"),
            )
            .means("if it is not careq-sync, the process that is to listen there does not start")
            .remedy(format!(
                "{name}; an ingress that is full answers like this: look at its log, and do not end it"
            )),
            Whose::Foreign => Finding::error(port.taken, format!("another program has {setting}, {address}"))
                .means("the process that is to listen there does not start")
                .remedy(format!("{name}: end it, or set {setting} to a free address")),
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
async fn our_ingress(address: SocketAddr) -> Whose {
    who_says(address, "/openapi.json", |text| {
        let description = serde_json::from_str::<Value>(text).unwrap_or_default();
        description["info"]["title"] == "careq-sync"
    })
    .await
}

async fn our_operations_port(address: SocketAddr) -> Whose {
    who_says(address, "/livez", |text| text == "alive\n").await
}

async fn who_says(address: SocketAddr, path: &str, is_ours: impl FnOnce(&str) -> bool) -> Whose {
    match ask::get(from_here(address), path).await {
        Said::This(text) if is_ours(&text) => Whose::Ours,
        Said::This(_) | Said::Nothing => Whose::Foreign,
        Said::NotNow => Whose::Unknown,
    }
}
