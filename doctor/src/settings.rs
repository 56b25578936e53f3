//! The settings, as far as they can be judged without a server.

use careq_shared::config::{Config, Faults};
use secrecy::ExposeSecret as _;

use crate::finding::Finding;

/// Database connections of a worker besides `worker.concurrency`: the bulk and dead consumers, sweep, replays and measurements.
const OTHER_CONNECTIONS: usize = 5;

pub(crate) fn faults(faults: &Faults) -> Vec<Finding> {
    let fault = |sentence: &String| {
        Finding::error("settings.fault", sentence)
            .means("no process starts with these settings, and nothing else could be examined")
            .remedy("fix the setting; config.default.toml documents every one")
    };
    faults.sentences().iter().map(fault).collect()
}

pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<_> = [few_connections(config), same_address(config)]
        .into_iter()
        .chain(reachable(config))
        .chain(in_clear(config))
        .flatten()
        .collect();
    if findings.is_empty() {
        findings.push(Finding::well("settings.well", "every setting can be used"));
    }
    findings
}

fn is_sqlite(config: &Config) -> bool {
    config.database_url().expose_secret().starts_with("sqlite:")
}

fn few_connections(config: &Config) -> Option<Finding> {
    let wanted = config.worker.concurrency + OTHER_CONNECTIONS;
    let max = config.database.max_connections;
    let is_few = !is_sqlite(config) && usize::try_from(max).is_ok_and(|max| max < wanted);
    is_few.then(|| {
        let seen = format!(
            "database.max_connections is {max}, and worker.concurrency {}",
            config.worker.concurrency
        );
        Finding::warning("settings.few_connections", seen)
            .means("a worker uses a connection for each concurrent batch and a few more: its batches wait for one another")
            .remedy(format!(
                "set database.max_connections to {wanted} or more, or worker.concurrency to less"
            ))
    })
}

fn same_address(config: &Config) -> Option<Finding> {
    let (ingress, operations) = (config.ingress.listen, config.operations.listen);
    (ingress == operations && ingress.port() != 0).then(|| {
        Finding::error(
            "settings.same_address",
            format!("ingress.listen and operations.listen are both {ingress}"),
        )
        .means("the second of the two cannot listen, and its process does not start")
        .remedy("give each a port of its own")
    })
}

fn reachable(config: &Config) -> [Option<Finding>; 2] {
    let ingress = config.ingress.listen;
    let is_open = ingress.ip().is_unspecified() && config.ingress.trusted_proxies.is_empty();
    let ingress = is_open.then(|| {
        let seen = format!("ingress.listen is {ingress}, and ingress.trusted_proxies is empty");
        Finding::warning("settings.ingress_on_every_address", seen)
            .means("all that can reach this machine reach the ingress, without encryption: careq-sync itself has no TLS")
            .remedy(
                "put a proxy with TLS before it, name that in ingress.trusted_proxies, and listen on an address \
                 that it alone reaches",
            )
    });
    let operations = config.operations.listen;
    let operations = (!operations.ip().is_loopback()).then(|| {
        Finding::warning("settings.operations_exposed", format!("operations.listen is {operations}"))
            .means("others than this machine reach the metrics and, where it runs, the admin API, in clear")
            .remedy("listen on 127.0.0.1, or see to it that only probes, Prometheus and a proxy with TLS reach it")
    });
    [ingress, operations]
}

/// Connections without TLS that `allow_cleartext` permits.
fn in_clear(config: &Config) -> [Option<Finding>; 2] {
    let finding = |code, seen: &str, remedy| {
        Finding::warning(
            code,
            format!(
                "{seen} leads beyond this machine without verified TLS, which allow_cleartext = true allows"
            ),
        )
        .means(
            "passwords and patients' data can be read and changed by all that can read or join that network",
        )
        .remedy(remedy)
    };
    let database = config.is_database_in_clear().then(|| {
        finding(
            "settings.database_in_clear",
            "database.url",
            "add ?sslmode=verify-full&sslrootcert=FILE to database.url, and take database.allow_cleartext away",
        )
    });
    let broker = config.is_broker_in_clear().then(|| {
        finding(
            "settings.broker_in_clear",
            "broker.url",
            "switch TLS on in RabbitMQ, begin broker.url with amqps://, and take broker.allow_cleartext away",
        )
    });
    [database, broker]
}
