//! Settings that expose the ports or the traffic. Every process accepts them, and says nothing of them.

use careq_shared::config::{BrokerKind, Config, Faults};

use crate::report::Finding;

/// The findings of settings that cannot be loaded.
pub(crate) fn faults(faults: &Faults) -> Vec<Finding> {
    let fault = |sentence: &String| {
        Finding::error("settings.fault", sentence)
            .means("no process starts with these settings, and nothing else was examined")
            .remedy("correct the setting; config.default.toml documents every one")
    };
    faults.sentences().iter().map(fault).collect()
}

pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let (ingress, operations) = (config.ingress.listen, config.operations.listen);
    let exposed =
        |code, seen: String, means, remedy| Finding::warning(code, seen).means(means).remedy(remedy);
    let ingress = (!ingress.ip().is_loopback() && config.ingress.trusted_proxies.is_empty()).then(|| {
        exposed(
            "settings.ingress_exposed",
            format!("ingress.listen is {ingress}, and ingress.trusted_proxies is empty"),
            "other machines reach the ingress without encryption: careq-sync has no TLS",
            "put a TLS proxy in front, name it in ingress.trusted_proxies, and listen on an address that only it reaches",
        )
    });
    let operations = (!operations.ip().is_loopback()).then(|| {
        exposed(
            "settings.operations_exposed",
            format!("operations.listen is {operations}"),
            "other machines reach the metrics and, where it runs, the admin API without encryption",
            "listen on 127.0.0.1, or restrict the port to probes, Prometheus and a TLS proxy",
        )
    });
    let cleartext = |code, setting: &str, means, remedy| {
        let seen =
            format!("{setting} leads beyond this machine without verified TLS, which allow_cleartext allows");
        exposed(code, seen, means, remedy)
    };
    let readable = "passwords and patients' data can be read and changed on that network";
    let database = config.is_database_in_clear().then(|| {
        let remedy =
            "add ?sslmode=verify-full&sslrootcert=FILE to database.url, and remove database.allow_cleartext";
        cleartext("settings.database_in_clear", "database.url", readable, remedy)
    });
    let broker = config.is_broker_in_clear().then(|| {
        let remedy = "enable TLS in RabbitMQ, use amqps:// in broker.url, and remove broker.allow_cleartext";
        cleartext("settings.broker_in_clear", "broker.url", readable, remedy)
    });
    let is_rabbitmq = config.broker.kind() == BrokerKind::RabbitMq;
    let management = (is_rabbitmq && config.is_management_in_clear()).then(|| {
        cleartext(
            "settings.management_in_clear",
            "broker.management_url",
            "the doctor sends a password of RabbitMQ, which can be read on that network",
            "enable TLS in RabbitMQ's management API, use https:// in broker.management_url, and remove broker.allow_cleartext",
        )
    });
    let found: Vec<_> = [ingress, operations, database, broker, management].into_iter().flatten().collect();
    if found.is_empty() {
        let seen = "no port is exposed without a proxy, and database and RabbitMQ on other machines are reached over TLS";
        vec![Finding::well("settings.well", seen)]
    } else {
        found
    }
}
