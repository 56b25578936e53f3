//! A connection that reconnects on use. Every await on lapin has a timeout, because a half-open connection answers
//! nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backoff::Backoff;
use crate::config::BrokerConfig;
use crate::server_url::{PERCENT_ENCODING, is_plain};
use crate::unreachable;

/// The timeout of a single exchange with the server.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// The first timeout of a connection attempt. After this silence, the attempt will not be answered, as when the
/// network fails during the handshake.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum timeout of a connection attempt. An abandoned attempt leaves a thread until its socket closes, so each
/// attempt has twice the timeout of the one before.
const MAX_ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// The maximum frame, in bytes. lapin allocates 64 frames for each connection, which is 8 MiB with RabbitMQ's own 128
/// KiB. A longer message takes several frames; its properties must fit into one.
const FRAME_MAX_BYTES: u32 = 16 * 1_024;

/// The heartbeat interval, in seconds. A silent peer is disconnected after two.
const HEARTBEAT_S: u16 = 10;

/// A connection to RabbitMQ, shared by channels.
#[derive(Debug)]
pub(super) struct Link {
    uri: AMQPUri,
    name: String,
    state: Mutex<State>,
    has_ended: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    attempt: Option<Attempt>,
    /// The attempts that were abandoned since the last connection.
    abandoned_attempts: u32,
    /// The attempt that failed last, for every task that uses the connection.
    failed: Option<Failed>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Failed {
    reason: LinkError,
    retry_at: Instant,
}

#[derive(Debug)]
struct Attempt {
    began_at: Instant,
    connecting: JoinHandle<lapin::Result<Connection>>,
}

/// The reason why RabbitMQ cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LinkError {
    #[error("broker.url is not an AMQP URL: {PERCENT_ENCODING}")]
    Url,
    /// RabbitMQ could not be used at start: host and port, and the error of the last attempt.
    #[error(
        "RabbitMQ at {0} cannot be used: {1}. Check that it runs, that broker.url (CAREQ_BROKER_URL) names it, and that the \
         user may use the virtual host"
    )]
    Unusable(String, String),
    #[error(transparent)]
    Protocol(#[from] lapin::Error),
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    #[error("RabbitMQ cancelled the consumer; its queue may have been deleted")]
    Cancelled,
    #[error("its channel has ended")]
    Closed,
}

impl LinkError {
    /// Whether RabbitMQ has no such queue.
    pub(super) fn is_not_found(&self) -> bool {
        self.refusal() == Some(&AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
    }

    /// Whether a queue was declared with other arguments.
    pub(super) fn is_of_other_arguments(&self) -> bool {
        self.refusal() == Some(&AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED))
    }

    /// Whether RabbitMQ has closed only the channel.
    pub(super) fn is_of_the_channel(&self) -> bool {
        matches!(self.refusal(), Some(AMQPErrorKind::Soft(_)))
    }

    /// Whether the connection has ended.
    pub(super) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Protocol(_)) && !self.is_of_the_channel()
    }

    fn refusal(&self) -> Option<&AMQPErrorKind> {
        let Self::Protocol(fault) = self else { return None };
        let ErrorKind::ProtocolError(fault) = fault.kind() else { return None };
        Some(fault.kind())
    }

    /// The reason why the server cannot be reached, for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Protocol(fault) => unreachable::broker(fault),
            fault => fault.to_string(),
        }
    }
}

impl Link {
    pub(super) fn new(config: &BrokerConfig, name: &str) -> Result<Self, LinkError> {
        let mut uri = uri(config)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        uri.query.frame_max.get_or_insert(FRAME_MAX_BYTES);
        Ok(Self::to(uri, name.to_owned()))
    }

    /// A separate connection to the same server, for one purpose.
    pub(super) fn another(&self, purpose: &str) -> Arc<Self> {
        Arc::new(Self::to(self.uri.clone(), format!("{} {purpose}", self.name)))
    }

    fn to(uri: AMQPUri, name: String) -> Self {
        Self { uri, name, state: Mutex::default(), has_ended: AtomicBool::new(false) }
    }

    /// Host and port, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// Opens a channel, and reconnects if needed. After a failed attempt, the next one begins after a delay. After
    /// [`Self::end`], it never resolves.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        let mut state = self.state.lock().await;
        if self.has_ended() {
            drop(state);
            return std::future::pending().await;
        }
        if let Some(connection) = &state.connection {
            if connection.status().connected()
                && let Ok(channel) = within(connection.create_channel()).await
            {
                return Ok(channel);
            }
            state.connection = None;
            tracing::warn!(
                broker = self.address(),
                connection = self.name,
                "a connection to RabbitMQ was lost"
            );
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.retry_at > Instant::now()) {
            return Err(failed.reason.clone());
        }
        let opened = self.open(&mut state).await;
        if let Err(reason) = &opened {
            let (broker, connection) = (self.address(), &self.name);
            tracing::warn!(
                broker,
                connection,
                reason = reason.reason(),
                "RabbitMQ cannot be reached; trying again"
            );
            let retry_at = Instant::now() + state.backoff.next_delay();
            state.failed = Some(Failed { reason: reason.clone(), retry_at });
        }
        opened
    }

    /// Opens a channel as soon as RabbitMQ can be reached.
    pub(super) async fn channel_when_reachable(&self) -> Channel {
        loop {
            if let Ok(channel) = self.channel().await {
                return channel;
            }
            let retry_at = self.state.lock().await.failed.as_ref().map(|failed| failed.retry_at);
            tokio::time::sleep_until(retry_at.unwrap_or_else(Instant::now).into()).await;
        }
    }

    async fn open(&self, state: &mut State) -> Result<Channel, LinkError> {
        let connection = self.connect(state).await?;
        let channel = within(connection.create_channel()).await?;
        state.connection = Some(connection);
        state.failed = None;
        state.backoff.reset();
        Ok(channel)
    }

    /// Whether RabbitMQ has reported an alarm of its memory or disk, and accepts no messages.
    pub(super) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        state.connection.as_ref().is_some_and(|connection| connection.status().blocked())
    }

    /// Closes the connection for good, at the end of the process. RabbitMQ logs a warning for a connection that
    /// breaks off.
    pub(super) async fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
        if let Some(connection) = self.state.lock().await.connection.take() {
            close_in_order(&connection, &self.address()).await;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Closes the connection until the next use, and then drops the channels that were `used` on it. lapin closes
    /// each dropped channel in a task. If the connection is closing already, the task fails, and lapin 4.12.3 breaks
    /// the connection off. RabbitMQ logs a warning for that, and may not answer the connection's own close.
    ///
    /// The close runs in a task, because a channel whose queue has no leader delays it.
    pub(super) async fn close(&self, used: impl Send + 'static) {
        let Some(connection) = self.state.lock().await.connection.take() else { return };
        let broker = self.address();
        tokio::spawn(async move {
            close_in_order(&connection, &broker).await;
            drop(used);
        });
    }

    /// Connects. lapin gives every connection a thread that outlives a dropped attempt. An attempt that a silent
    /// server delays is therefore awaited again, until its own timeout.
    async fn connect(&self, state: &mut State) -> Result<Connection, LinkError> {
        let doubled = ATTEMPT_TIMEOUT.saturating_mul(2_u32.saturating_pow(state.abandoned_attempts));
        let attempt_timeout = doubled.min(MAX_ATTEMPT_TIMEOUT);
        if state.attempt.take_if(|attempt| attempt.began_at.elapsed() > attempt_timeout).is_some() {
            state.abandoned_attempts += 1;
        }
        let attempt = state.attempt.get_or_insert_with(|| {
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            let connecting = Connection::connect_uri(self.uri.clone(), properties);
            Attempt { began_at: Instant::now(), connecting: tokio::spawn(connecting) }
        });
        let Ok(ended) = timeout(DEADLINE, &mut attempt.connecting).await else {
            return Err(LinkError::TimedOut);
        };
        state.attempt = None;
        let connected = ended.map_err(|_| LinkError::TimedOut)?.map_err(LinkError::from);
        if connected.is_ok() {
            state.abandoned_attempts = 0;
        }
        connected
    }
}

async fn close_in_order(connection: &Connection, broker: &str) {
    match within(connection.close(200, "done".into())).await {
        Ok(()) => tracing::debug!(broker, "a connection to RabbitMQ was closed"),
        Err(reason) => {
            tracing::debug!(broker, %reason, "a connection to RabbitMQ broke off before it was closed");
        }
    }
}

/// The URL of `broker.url`.
fn uri(config: &BrokerConfig) -> Result<AMQPUri, LinkError> {
    let text = config.url.expose_secret();
    // The parser's own message may quote the URL.
    let mut uri: AMQPUri = text.parse().ok().filter(|_| is_plain(text)).ok_or(LinkError::Url)?;
    // `amqp://host/` literally names a virtual host with an empty name, which does not exist in practice.
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

/// The parts of `broker.url`, for clients that use RabbitMQ over another protocol than AMQP.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the parts are named as RabbitMQ names them")]
pub struct Address {
    pub host: String,
    pub port: u16,
    /// Whether AMQP uses TLS.
    pub is_encrypted: bool,
    pub virtual_host: String,
    pub user: String,
    pub password: SecretString,
}

impl Address {
    /// Parses `broker.url`.
    ///
    /// # Errors
    /// It is not an AMQP URL.
    pub fn from_config(config: &BrokerConfig) -> Result<Self, LinkError> {
        let uri = uri(config)?;
        Ok(Self {
            host: uri.authority.host,
            port: uri.authority.port,
            is_encrypted: uri.scheme == AMQPScheme::AMQPS,
            virtual_host: uri.vhost,
            user: uri.authority.userinfo.username,
            password: uri.authority.userinfo.password.into(),
        })
    }
}

/// Limits an exchange to [`DEADLINE`].
pub(super) async fn within<T>(exchange: impl Future<Output = lapin::Result<T>>) -> Result<T, LinkError> {
    match timeout(DEADLINE, exchange).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(LinkError::TimedOut),
    }
}
