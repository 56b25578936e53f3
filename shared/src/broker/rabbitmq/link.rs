//! One connection that is made anew whenever it is asked for and gone. Every await on lapin must have a deadline: a
//! half-open connection answers nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::BrokerConfig;
use crate::server_url::{PERCENT_ENCODING, is_plain};
use crate::unreachable;

/// How long any single exchange with the server may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// A server that says nothing for so long will not answer this attempt any more: a line that broke during the handshake, for one.
const HOPELESS: Duration = Duration::from_secs(10);

/// Each attempt that is given up leaves a thread behind until its line ends, so each has twice the time of the one before, up to
/// this.
const MAX_HOPELESS: Duration = Duration::from_mins(1);

/// The longest frame, in bytes. lapin keeps room for 64 of them for each connection, which at RabbitMQ's own 128 KiB is 8 MiB; a
/// longer message goes in several frames, its properties in one.
const FRAME_MAX_BYTES: u32 = 16 * 1_024;

/// A silent peer is given up after two of these, in seconds.
const HEARTBEAT_S: u16 = 10;

/// A connection to RabbitMQ, shared by channels.
#[derive(Debug)]
pub(super) struct Link {
    uri: AMQPUri,
    name: String,
    state: Mutex<State>,
    has_ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    attempt: Option<Attempt>,
    /// After how long the attempt is hopeless.
    patience: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self { connection: None, attempt: None, patience: HOPELESS }
    }
}

#[derive(Debug)]
struct Attempt {
    began_at: Instant,
    connecting: JoinHandle<lapin::Result<Connection>>,
}

/// Why RabbitMQ cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The URL is none.
    #[error("broker.url is not an AMQP URL: {PERCENT_ENCODING}")]
    Url,
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

impl LinkError {
    /// Why the server cannot be reached, in words.
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

    /// A connection of its own to the same server, for one purpose.
    pub(super) fn another(&self, purpose: &str) -> Arc<Self> {
        Arc::new(Self::to(self.uri.clone(), format!("{} {purpose}", self.name)))
    }

    fn to(uri: AMQPUri, name: String) -> Self {
        Self { uri, name, state: Mutex::default(), has_ended: AtomicBool::new(false) }
    }

    /// Host and port, for people.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// A new channel, on a new connection if the old one is gone. Never, after the end.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        let mut state = self.state.lock().await;
        if self.has_ended() {
            drop(state);
            return std::future::pending().await;
        }
        if let Some(connection) =
            state.connection.as_ref().filter(|connection| connection.status().connected())
        {
            match within(connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                Err(_) => state.connection = None,
            }
        }
        let connection = self.connect(&mut state).await?;
        let channel = within(connection.create_channel()).await?;
        state.connection = Some(connection);
        Ok(channel)
    }

    /// Whether RabbitMQ has said that it takes no messages, as in an alarm of its memory or its disk.
    pub(super) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        state.connection.as_ref().is_some_and(|connection| connection.status().blocked())
    }

    /// Ends the connection for good, because the process ends, and waits for that. RabbitMQ warns of one that just breaks off.
    pub(super) async fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
        if let Some(connection) = self.state.lock().await.connection.take() {
            close_in_order(&connection, &self.address()).await;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Closes the connection, until it is asked for again, and after it whatever was `used` on it. A task of lapin's closes each channel
    /// that is dropped. Where the connection is closing already, the task fails, and lapin 4.12.3 breaks the connection off: RabbitMQ
    /// warns of that, and now and then the connection's own close is never answered.
    ///
    /// Nobody waits for the end: a channel whose queue has no leader holds it up.
    pub(super) async fn close(&self, used: impl Send + 'static) {
        let Some(connection) = self.state.lock().await.connection.take() else { return };
        let broker = self.address();
        tokio::spawn(async move {
            close_in_order(&connection, &broker).await;
            drop(used);
        });
    }

    /// lapin gives every connection a thread that outlives a dropped attempt: so an attempt that a mute server holds up is
    /// waited for again rather than begun again, until it is hopeless.
    async fn connect(&self, state: &mut State) -> Result<Connection, LinkError> {
        let is_hopeless = |attempt: &Attempt| attempt.began_at.elapsed() > state.patience;
        if state.attempt.as_ref().is_some_and(is_hopeless) {
            state.attempt = None;
            state.patience = (state.patience * 2).min(MAX_HOPELESS);
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
            state.patience = HOPELESS;
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

/// What `broker.url` says.
pub(super) fn uri(config: &BrokerConfig) -> Result<AMQPUri, LinkError> {
    let text = config.url.expose_secret();
    // The parser's own words may hold what was typed.
    let mut uri: AMQPUri = text.parse().ok().filter(|_| is_plain(text)).ok_or(LinkError::Url)?;
    // `amqp://host/` names, to the letter, a virtual host with an empty name, which nobody has.
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

/// The same exchange with a deadline.
pub(super) async fn within<T>(exchange: impl Future<Output = lapin::Result<T>>) -> Result<T, LinkError> {
    match timeout(DEADLINE, exchange).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(LinkError::TimedOut),
    }
}
