//! One connection that is made anew whenever it is asked for and gone. Every await on lapin must have a deadline: a
//! half-open connection answers nothing.

use std::future::Future;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::topology::Topology;
use crate::backoff::Backoff;
use crate::config::BrokerConfig;

/// How long any single exchange with the server may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// A silent peer is given up after two of these, in seconds.
const HEARTBEAT_S: u16 = 10;

/// A connection to RabbitMQ, shared by channels.
#[derive(Debug)]
pub(super) struct Link {
    uri: AMQPUri,
    name: String,
    connection: Mutex<Option<Connection>>,
}

/// Why RabbitMQ cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The URL is none.
    #[error("broker.url is not an AMQP URL: {0}; it looks like amqp://user:password@host:5672/vhost")]
    Url(String),
    /// No connection at start.
    #[error(
        "RabbitMQ at {address} cannot be used: {reason}. Check that it runs, that broker.url (CAREQ_BROKER_URL) names it, \
         and that the user may use the virtual host"
    )]
    Unusable {
        /// Host and port, never the password.
        address: String,
        /// What the last attempt met.
        reason: String,
    },
    /// An exchange with the server failed.
    #[error(transparent)]
    Protocol(#[from] lapin::Error),
    /// The server did not answer.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TimedOut,
}

impl Link {
    pub(super) fn new(config: &BrokerConfig, name: &str) -> Result<Self, LinkError> {
        let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(LinkError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        // `amqp://host/` names, to the letter, a virtual host with an empty name, which nobody has.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        Ok(Self { uri, name: name.to_owned(), connection: Mutex::new(None) })
    }

    /// Host and port, for people.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// A new channel, on a new connection if the old one is gone.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| connection.status().connected()) {
            match within(connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                Err(_) => *current = None,
            }
        }
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connection = within(Connection::connect_uri(self.uri.clone(), properties)).await?;
        let channel = within(connection.create_channel()).await?;
        *current = Some(connection);
        Ok(channel)
    }

    /// Tries until RabbitMQ can be used, at most so long.
    pub(super) async fn wait_until_usable(
        &self,
        topology: &Topology,
        patience: Duration,
    ) -> Result<(), LinkError> {
        let mut backoff = Backoff::default();
        let mut reason = LinkError::TimedOut.to_string();
        let attempts = async {
            loop {
                let attempt = async {
                    let channel = self.channel().await?;
                    within(topology.declare(&channel)).await
                };
                match attempt.await {
                    Ok(()) => return,
                    Err(fault) => reason = fault.to_string(),
                }
                backoff.wait().await;
            }
        };
        timeout(patience, attempts).await.map_err(|_| LinkError::Unusable { address: self.address(), reason })
    }
}

/// The same exchange with a deadline.
pub(super) async fn within<T>(exchange: impl Future<Output = lapin::Result<T>>) -> Result<T, LinkError> {
    match timeout(DEADLINE, exchange).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(LinkError::TimedOut),
    }
}
