//! The rules of URLs, and of databases and brokers that fit together. A set-up that loses or splits events, or sends
//! passwords and patients' data in clear over a network, does not start. Messages do not repeat a URL.

use lapin::uri::AMQPUri;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use secrecy::ExposeSecret as _;

use super::faults::Faults;
use super::process::Process;
use super::sections::{BrokerKind, Config};
use crate::server_url::{self, PERCENT_ENCODING, ServerUrl};

/// The parameters of a PostgreSQL URL that the driver knows. It logs unknown parameters with their values, which may
/// be passwords.
const POSTGRESQL_PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
    "",
];

impl Config {
    /// The errors of servers that cannot be used, and of set-ups that cannot work.
    pub(super) fn server_faults(&self, process: Option<Process>) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(self.database_fault(process));
        faults.extend(self.broker_fault());
        faults.extend(self.management_fault());
        faults.extend(self.collector_fault());
        faults.extend(self.set_up_fault(process));
        faults
    }

    fn database_fault(&self, process: Option<Process>) -> Option<String> {
        let url = self.database.url.expose_secret();
        if url.is_empty() {
            return None;
        }
        if let Some(file) = url.strip_prefix("sqlite:") {
            let (path, parameters) = file.split_once('?').unwrap_or((file, ""));
            let is_file = !path.trim_start_matches('/').is_empty() && !path.contains(":memory:");
            let is_usable = is_file
                && ["mode=memory", "mode=ro", "immutable"].iter().all(|word| !parameters.contains(word));
            return (process.is_some() && !is_usable).then(|| {
                "database.url must name a file that can be written, such as sqlite:///var/lib/careq-sync/careq.db: a database in memory is \
                 another one for each connection, and is gone with the process"
                    .to_owned()
            });
        }
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Some(
                "database.url must begin with postgres:// or sqlite://, or be empty for SQLite in the data folder".to_owned(),
            );
        }
        let Some(server) = postgresql(url) else {
            return Some(format!(
                "database.url cannot be read as a PostgreSQL URL: {PERCENT_ENCODING}; its parameters may be sslmode, sslrootcert and those \
                 that config.default.toml names"
            ));
        };
        (!self.database.allow_cleartext && is_in_clear(&server)).then(|| {
            "database.url leads beyond this machine without verified TLS, so passwords and patients' data could be read on the way: add \
             ?sslmode=verify-full&sslrootcert=FILE (`require` encrypts, and talks to any server that answers); or, in a network that only \
             you can read, set database.allow_cleartext = true (CAREQ_DATABASE_ALLOW_CLEARTEXT)"
                .to_owned()
        })
    }

    fn broker_fault(&self) -> Option<String> {
        if self.broker.kind() == BrokerKind::Embedded {
            return None;
        }
        let text = self.broker.url.expose_secret();
        let urls = server_url::each(text);
        if !urls.iter().all(|url| url.starts_with("amqp://") || url.starts_with("amqps://")) {
            return Some("broker.url must be `embedded` or begin with amqp:// or amqps://".to_owned());
        }
        if !server_url::is_plain(text) || urls.iter().any(|url| url.parse::<AMQPUri>().is_err()) {
            return Some(format!("broker.url cannot be read as an AMQP URL: {PERCENT_ENCODING}"));
        }
        if urls
            .iter()
            .filter_map(|url| ServerUrl::read(url))
            .any(|url| url.host.starts_with('[') && !url.is_local())
        {
            // lapin reads such an address as localhost.
            return Some(
                "broker.url must name its host, or have an IPv4 address: the driver takes no IPv6 address"
                    .to_owned(),
            );
        }
        (!self.broker.allow_cleartext && urls.iter().any(|url| url.starts_with("amqp://") && !is_local(url))).then(|| {
            "broker.url leads beyond this machine in clear, so passwords and patients' data could be read on the way: use amqps:// (port \
             5671); or, in a network that only you can read, set broker.allow_cleartext = true (CAREQ_BROKER_ALLOW_CLEARTEXT)"
                .to_owned()
        })
    }

    fn management_fault(&self) -> Option<String> {
        let url = self.broker.management_url.expose_secret();
        if ["", "none"].contains(&url) {
            return None;
        }
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Some(
                "broker.management_url must begin with http:// or https://, be `none`, or be empty for RabbitMQ's usual port".to_owned(),
            );
        }
        if ServerUrl::read(url).is_none() {
            return Some(format!("broker.management_url cannot be read as a URL: {PERCENT_ENCODING}"));
        }
        (!self.broker.allow_cleartext && url.starts_with("http://") && !is_local(url)).then(|| {
            "broker.management_url leads beyond this machine in clear, and the doctor sends a password there: use https://, `none`, or \
             broker.allow_cleartext = true (CAREQ_BROKER_ALLOW_CLEARTEXT)"
                .to_owned()
        })
    }

    fn collector_fault(&self) -> Option<String> {
        let url = self.telemetry.otlp_endpoint.as_str();
        if url.is_empty() {
            return None;
        }
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Some(
                "telemetry.otlp_endpoint must begin with http:// or https://, such as http://collector:4318, or be empty for no traces"
                    .to_owned(),
            );
        }
        let is_bare = !url.contains('@') && ServerUrl::read(url).is_some();
        (!is_bare).then(|| {
            "telemetry.otlp_endpoint must be a URL without user and password, such as http://collector:4318; what the collector asks for \
             stands in OTEL_EXPORTER_OTLP_HEADERS"
                .to_owned()
        })
    }

    /// The error of a database and a broker that do not fit together.
    fn set_up_fault(&self, process: Option<Process>) -> Option<String> {
        let is_embedded = self.broker.kind() == BrokerKind::Embedded;
        let process = process?;
        if let (Process::Ingress | Process::Worker, Some(alone)) = (process, process.runs_on())
            && is_embedded
        {
            return Some(format!(
                "`careq-sync {alone}` needs RabbitMQ, since the embedded queue belongs to one process: set broker.url (CAREQ_BROKER_URL), \
                 or run `careq-sync` alone for one machine"
            ));
        }
        let is_rabbitmq = self.broker.url.expose_secret().starts_with("amqp");
        (is_rabbitmq && self.database_url().expose_secret().starts_with("sqlite:")).then(|| {
            "broker.url names RabbitMQ, and database.url (CAREQ_DATABASE_URL) an SQLite file or nothing: every process would store into a \
             file of its own. Set database.url to the PostgreSQL that all processes share, such as postgres://careq@db/careq; or set \
             broker.url to `embedded` and run `careq-sync` alone"
                .to_owned()
        })
    }

    /// The same settings with another database.
    ///
    /// # Errors
    /// The URL cannot be used, with the reason.
    pub fn with_database(&self, url: &str) -> Result<Self, Faults> {
        let mut config = self.clone();
        config.database.url = url.into();
        config
            .database_fault(Some(Process::Command))
            .map_or(Ok(config), |fault| Err(Faults::new(vec![fault])))
    }

    /// Whether the traffic with the database can be read on the network.
    #[must_use]
    pub fn is_database_in_clear(&self) -> bool {
        postgresql(self.database.url.expose_secret()).is_some_and(|server| is_in_clear(&server))
    }

    /// Whether the traffic with the broker can be read on the network.
    #[must_use]
    pub fn is_broker_in_clear(&self) -> bool {
        server_url::each(self.broker.url.expose_secret())
            .iter()
            .any(|url| url.starts_with("amqp://") && !is_local(url))
    }
}

/// Parses a PostgreSQL URL; `None` if the driver would read it differently than a person, or not at all. The driver's
/// own message may quote the URL.
fn postgresql(url: &str) -> Option<PgConnectOptions> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let is_known = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        POSTGRESQL_PARAMETERS.contains(&name)
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

fn is_local(url: &str) -> bool {
    ServerUrl::read(url).is_some_and(|url| url.is_local())
}
