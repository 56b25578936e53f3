//! A database and queues of a measurement's own, on the servers that the tests use. They must be gone afterwards, however the
//! measurement ends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use careq_shared::broker::Queue;
use careq_shared::broker::rabbitmq::{RabbitMq, Topology};
use careq_shared::clinics::{self, CredentialKind};
use careq_shared::config::{self, Config};
use careq_shared::event_key::EventKey;
use careq_shared::{database, seal};
use lapin::options::{QueueDeleteOptions, QueuePurgeOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use sea_orm::sqlx::PgPool;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

pub(crate) const CLINIC: &str = "clinic_abc";
const RABBITMQ: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";
pub(crate) const POSTGRESQL: &str = "postgres://careq_test:careq_test@127.0.0.1:5432";

/// How often a queue is tried to be deleted again, and when.
const MAX_ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// What a clinic proves itself by.
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) signing_secret: String,
}

/// PostgreSQL and RabbitMQ, with one clinic that signs.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) database: DatabaseConnection,
    pub(crate) credentials: Credentials,
    pub(crate) event_key: EventKey,
    pub(crate) broker: Arc<RabbitMq>,
    topology: Topology,
    rabbitmq: RabbitMqChannel,
    settings: Vec<(String, String)>,
}

/// Works with a new installation, and removes it.
pub(crate) async fn with<T>(work: impl AsyncFnOnce(&Installation) -> Result<T>) -> Result<T> {
    let name = format!("careq_bench_{}", Uuid::new_v4().simple());
    let leftovers = Leftovers(name.clone());
    let worked = match Installation::new(&name).await {
        Ok(installation) => {
            let worked = work(&installation).await;
            // The connections go first: a database that is in use cannot be dropped.
            installation.database.close().await?;
            worked
        }
        Err(reason) => Err(reason),
    };
    leftovers.remove().await?;
    worked
}

impl Installation {
    async fn new(name: &str) -> Result<Self> {
        let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await;
        let admin = admin.context("PostgreSQL cannot be used; `make servers` installs and starts it")?;
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
        let settings = [
            ("CAREQ_DATABASE_URL", format!("{POSTGRESQL}/{name}")),
            ("CAREQ_BROKER_URL", RABBITMQ.to_owned()),
            ("CAREQ_BROKER_PREFIX", name.to_owned()),
            ("CAREQ_SEAL_KEYS", format!("bench:{}=", "A".repeat(43))),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let config = config::load(None, settings.clone())?;
        let database = database::connect(&config).await?;
        careq_migrations::up(&database).await?;
        let credentials = clinic(&database, &config).await?;
        let event_key = EventKey::random();
        let broker = Arc::new(RabbitMq::connect(&config.broker, "bench").await?);
        let topology = Topology::new(&config.broker.prefix);
        let rabbitmq = RabbitMqChannel::open().await?;
        Ok(Self { config, database, credentials, event_key, broker, topology, rabbitmq, settings })
    }

    /// The settings of its processes: the defaults, but for the rate, which would be measured instead, and whatever is given.
    pub(crate) fn settings<'set>(
        &'set self,
        besides: &[(&'set str, &'set str)],
    ) -> Vec<(&'set str, &'set str)> {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(crate::process::SETTINGS).chain(besides.iter().copied()).collect()
    }

    /// The queue of single webhooks.
    pub(crate) fn live(&self) -> String {
        self.topology.name(Queue::Live)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.get_postgres_connection_pool()
    }

    /// Empties the queue of single webhooks.
    pub(crate) async fn purge(&self) -> Result<()> {
        self.rabbitmq.channel.queue_purge(self.live().into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Empties these tables, and those that point at them.
    pub(crate) async fn empty(&self, tables: &str) -> Result<()> {
        self.database.execute_unprepared(&format!("TRUNCATE {tables} CASCADE")).await?;
        // What was measured before must not be paid for in what is measured next; where we may not ask for it, it is.
        self.database.execute_unprepared("CHECKPOINT").await.ok();
        Ok(())
    }
}

async fn clinic(database: &DatabaseConnection, config: &Config) -> Result<Credentials> {
    let keys = || seal::open(config);
    let secrets = clinics::add(database, &keys, CLINIC, &[CredentialKind::SigningSecret]).await?;
    let secret = |wanted| {
        let found = secrets.iter().find(|(kind, _)| *kind == wanted);
        found.map(|(_, secret)| secret.expose_secret().to_owned()).context("the clinic has its secrets")
    };
    Ok(Credentials {
        token: secret(CredentialKind::Token)?,
        signing_secret: secret(CredentialKind::SigningSecret)?,
    })
}

/// A channel to RabbitMQ, and the connection that it needs.
pub(crate) struct RabbitMqChannel {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl RabbitMqChannel {
    pub(crate) async fn open() -> Result<Self> {
        let connection = Connection::connect(RABBITMQ, ConnectionProperties::default()).await;
        let connection =
            connection.context("RabbitMQ cannot be used; `make servers` installs and starts it")?;
        Ok(Self { channel: connection.create_channel().await?, _connection: connection })
    }
}

/// What an installation leaves: removed at the end, or, when the run is cut off, on the way out.
struct Leftovers(String);

impl Leftovers {
    async fn remove(mut self) -> Result<()> {
        let name = std::mem::take(&mut self.0);
        remove(&name).await
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.0);
        if !name.is_empty() {
            let removing = async move { remove(&name).await };
            // The run ends here: there is nothing else that this thread could do.
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(removing))
                .unwrap_or_default();
        }
    }
}

async fn remove(name: &str) -> Result<()> {
    let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await?;
    admin.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    let topology = Topology::new(name);
    for queue in Queue::ALL {
        delete(topology.name(queue)).await?;
    }
    Ok(())
}

/// RabbitMQ 3.10 may answer with an internal error while it is still busy with the million messages that a queue had.
async fn delete(queue: String) -> Result<()> {
    let mut attempts = 0;
    loop {
        let rabbitmq = RabbitMqChannel::open().await?;
        match rabbitmq.channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await {
            Ok(_) => return Ok(()),
            Err(reason) if attempts == MAX_ATTEMPTS => return Err(reason.into()),
            Err(_) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
        }
        attempts += 1;
    }
}
