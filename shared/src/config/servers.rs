//! The rules of URLs, and of databases and brokers that fit together. A set-up that loses or splits events, or sends
//! passwords and patients' data in clear over a network, does not start. Messages do not repeat a URL.

use lapin::uri::AMQPUri;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use secrecy::ExposeSecret as _;

use super::faults::Faults;
use super::sections::{BrokerKind, Config, Process};
use crate::server_url::{self, PERCENT_ENCODING, ServerUrl};

/// The parameters of a PostgreSQL URL that the driver knows. It logs unknown parameters with their values, which may
/// be passwords.
const POSTGRESQL_PARAMETERS: [&[&str]; 4] = [
    &["sslmode", "ssl-mode", "sslrootcert", "ssl-root-cert", "ssl-ca"],
    &["sslcert", "ssl-cert", "sslkey", "ssl-key"],
    &["host", "hostaddr", "port", "dbname", "user", "password"],
    &["application_name", "options", "statement-cache-capacity", ""],
];

impl Config {
    /// Adds the errors of servers that cannot be used, and of set-ups that cannot work.
    pub(super) fn check_servers(&self, process: Option<Process>, faults: &mut Faults) {
        self.check_database(process, faults);
        self.check_broker(faults);
        self.check_management(faults);
        self.check_collector(faults);
        if let Some(process) = process {
            self.check_set_up(process, faults);
        }
    }

    fn check_database(&self, process: Option<Process>, faults: &mut Faults) {
        let url = self.database.url.expose_secret();
        if let Some(file) = url.strip_prefix("sqlite:") {
            let (path, parameters) = file.split_once('?').unwrap_or((file, ""));
            let is_file = !path.trim_start_matches('/').is_empty() && !path.contains(":memory:");
            let is_writable =
                !["mode=memory", "mode=ro", "immutable"].iter().any(|word| parameters.contains(word));
            faults.require(
                process.is_none() || is_file && is_writable,
                "database.url must name a file that can be written, such as sqlite:///var/lib/careq-sync/careq.db: a database in memory is \
                 another one for each connection, and is gone with the process",
            );
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let Some(server) = postgresql(url) else {
                return faults.add(format!(
                    "database.url cannot be read as a PostgreSQL URL: {PERCENT_ENCODING}; its parameters may be sslmode, sslrootcert and those \
                     that config.default.toml names"
                ));
            };
            faults.require(
                self.database.allow_cleartext || !is_in_clear(&server),
                "database.url leads beyond this machine without verified TLS, so passwords and patients' data could be read on the way: add \
                 ?sslmode=verify-full&sslrootcert=FILE (`require` encrypts, and talks to any server that answers); or, in a network that only \
                 you can read, set database.allow_cleartext = true (CAREQ_DATABASE_ALLOW_CLEARTEXT)",
            );
        } else {
            faults.require(
                url.is_empty(),
                "database.url must begin with postgres:// or sqlite://, or be empty for SQLite in the data folder",
            );
        }
    }

    fn check_broker(&self, faults: &mut Faults) {
        if self.broker.kind() == BrokerKind::Embedded {
            return;
        }
        let url = self.broker.url.expose_secret();
        if !(url.starts_with("amqp://") || url.starts_with("amqps://")) {
            return faults.add("broker.url must be `embedded` or begin with amqp:// or amqps://");
        }
        let Some(server) = ServerUrl::read(url).filter(|_| url.parse::<AMQPUri>().is_ok()) else {
            return faults.add(format!("broker.url cannot be read as an AMQP URL: {PERCENT_ENCODING}"));
        };
        if server.host.starts_with('[') && !server.is_local() {
            // lapin reads such an address as localhost.
            return faults.add(
                "broker.url must name its host, or have an IPv4 address: the driver takes no IPv6 address",
            );
        }
        faults.require(
            self.broker.allow_cleartext || !self.is_broker_in_clear(),
            "broker.url leads beyond this machine in clear, so passwords and patients' data could be read on the way: use amqps:// (port \
             5671); or, in a network that only you can read, set broker.allow_cleartext = true (CAREQ_BROKER_ALLOW_CLEARTEXT)",
        );
    }

    fn check_management(&self, faults: &mut Faults) {
        let url = self.broker.management_url.expose_secret();
        if ["", "none"].contains(&url) {
            return;
        }
        if !is_http(url) {
            return faults.add("broker.management_url must begin with http:// or https://, be `none`, or be empty for RabbitMQ's usual port");
        }
        if ServerUrl::read(url).is_none() {
            return faults.add(format!("broker.management_url cannot be read as a URL: {PERCENT_ENCODING}"));
        }
        faults.require(
            self.broker.allow_cleartext || !self.is_management_in_clear(),
            "broker.management_url leads beyond this machine in clear, and the doctor sends a password there: use https://, `none`, or \
             broker.allow_cleartext = true (CAREQ_BROKER_ALLOW_CLEARTEXT)",
        );
    }

    fn check_collector(&self, faults: &mut Faults) {
        let url = self.telemetry.otlp_endpoint.as_str();
        if url.is_empty() {
            return;
        }
        if !is_http(url) {
            return faults.add(
                "telemetry.otlp_endpoint must begin with http:// or https://, such as http://collector:4318, or be empty for no traces",
            );
        }
        faults.require(
            !url.contains('@') && ServerUrl::read(url).is_some(),
            "telemetry.otlp_endpoint must be a URL without user and password, such as http://collector:4318; what the collector asks for \
             stands in OTEL_EXPORTER_OTLP_HEADERS",
        );
    }

    /// Checks that database and broker fit together.
    fn check_set_up(&self, process: Process, faults: &mut Faults) {
        if let (Process::Ingress | Process::Worker, Some(alone)) = (process, process.runs_on())
            && self.broker.kind() == BrokerKind::Embedded
        {
            return faults.add(format!(
                "`careq-sync {alone}` needs RabbitMQ, since the embedded queue belongs to one process: set broker.url (CAREQ_BROKER_URL), \
                 or run `careq-sync` alone for one machine"
            ));
        }
        let is_rabbitmq = self.broker.url.expose_secret().starts_with("amqp");
        faults.require(
            !is_rabbitmq || !self.database_url().expose_secret().starts_with("sqlite:"),
            "broker.url names RabbitMQ, and database.url (CAREQ_DATABASE_URL) an SQLite file or nothing: every process would store into a \
             file of its own. Set database.url to the PostgreSQL that all processes share, such as postgres://careq@db/careq; or set \
             broker.url to `embedded` and run `careq-sync` alone",
        );
    }

    /// The same settings with another database.
    ///
    /// # Errors
    /// The URL cannot be used, with the reason.
    pub fn with_database(&self, url: &str) -> Result<Self, Faults> {
        let (mut config, mut faults) = (self.clone(), Faults::default());
        config.database.url = url.into();
        config.check_database(Some(Process::Command), &mut faults);
        if faults.sentences().is_empty() { Ok(config) } else { Err(faults) }
    }

    /// Whether the traffic with the database can be read on the network.
    pub fn is_database_in_clear(&self) -> bool {
        postgresql(self.database.url.expose_secret()).is_some_and(|server| is_in_clear(&server))
    }

    /// Whether the traffic with the broker can be read on the network.
    pub fn is_broker_in_clear(&self) -> bool {
        let url = self.broker.url.expose_secret();
        url.starts_with("amqp://") && !is_local(url)
    }

    /// Whether the password that is sent to `broker.management_url` can be read on the network.
    pub fn is_management_in_clear(&self) -> bool {
        let url = self.broker.management_url.expose_secret();
        url.starts_with("http://") && !is_local(url)
    }
}

/// Parses a PostgreSQL URL; `None` if the driver would read it differently than a person, or not at all. The driver's
/// own message may quote the URL.
fn postgresql(url: &str) -> Option<PgConnectOptions> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let is_known = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        POSTGRESQL_PARAMETERS.iter().any(|group| group.contains(&name))
            || name.starts_with("options[")
            || name.starts_with("options%5B")
    };
    let is_plain = ServerUrl::read(url).is_some() && parameters.split('&').all(is_known);
    if is_plain { url.parse().ok() } else { None }
}

/// Whether the traffic can be read. Only `verify-full` proves the server's name. With `verify-ca`, any server with a
/// certificate of the same authority, which may be public, can take its place.
fn is_in_clear(server: &PgConnectOptions) -> bool {
    let is_here = server.get_socket().is_some()
        || server.get_host().starts_with('/')
        || server_url::is_loopback(server.get_host());
    !is_here && !matches!(server.get_ssl_mode(), PgSslMode::VerifyFull)
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn is_local(url: &str) -> bool {
    ServerUrl::read(url).is_some_and(|url| url.is_local())
}
