//! An installation for one measurement: a database and queues on the servers that the tests use. They are removed when it is
//! dropped, also after an error or an interruption.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use careq_console::audit::{Actor, Origin};
use careq_console::clinics;
use careq_shared::broker::rabbitmq::{PartitionQueue, RabbitMq, Topology};
use careq_shared::broker::{Queue, partition};
use careq_shared::clinics::CredentialKind;
use careq_shared::config::{self, Config};
use careq_shared::event_key::EventKey;
use careq_shared::{database, seal};
use lapin::options::{QueueDeleteOptions, QueuePurgeOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use sea_orm::sqlx::PgPool;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::context::Context;
use crate::load::{CLINIC, Credentials};
use crate::print;
use crate::process::{Process, SETTINGS};

const RABBITMQ: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";
pub(crate) const POSTGRESQL: &str = "postgres://careq_test:careq_test@127.0.0.1:5432";

/// Host and port in [`POSTGRESQL`].
pub(crate) const POSTGRESQL_ADDRESS: &str = "127.0.0.1:5432";

/// Retries of the deletion of a queue.
const MAX_RETRIES: u32 = 5;
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A database on PostgreSQL and queues on RabbitMQ, with one clinic that signs its requests.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) database: DatabaseConnection,
    pub(crate) credentials: Credentials,
    pub(crate) event_key: EventKey,
    pub(crate) broker: RabbitMq,
    topology: Topology,
    careq_sync: PathBuf,
    rabbitmq: RabbitMqChannel,
    settings: Vec<(String, String)>,
    /// The last field, since it is dropped last.
    _removal: Removal,
}

impl Installation {
    pub(crate) async fn new(context: &Context) -> Result<Self> {
        let name = format!("careq_bench_{}", Uuid::new_v4().simple());
        let settings = [
            ("CAREQ_DATABASE_URL", format!("{POSTGRESQL}/{name}")),
            ("CAREQ_BROKER_URL", RABBITMQ.to_owned()),
            ("CAREQ_BROKER_PREFIX", name.clone()),
            ("CAREQ_SEAL_KEYS", format!("bench:{}=", "A".repeat(43))),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let config = config::load(None, settings.clone())?;
        let topology = Topology::new(&config.broker);
        let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await;
        let admin = admin.context("PostgreSQL cannot be used; `make servers` installs and starts it")?;
        let removal = Removal { database: name.clone(), topology: topology.clone() };
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
        let database = database::connect(&config).await?;
        careq_migrations::up(&database).await?;
        Ok(Self {
            credentials: add_clinic(&database, &config).await?,
            event_key: EventKey::random(),
            broker: RabbitMq::connect(&config.broker, "bench").await?,
            topology,
            careq_sync: context.careq_sync.clone(),
            rabbitmq: RabbitMqChannel::open().await?,
            config,
            database,
            settings,
            _removal: removal,
        })
    }

    /// Starts an ingress with these settings in addition to those of the installation.
    pub(crate) async fn ingress(&self, settings: &[(&str, &str)]) -> Result<Process> {
        self.start("ingress", settings, "the ingress takes requests").await
    }

    /// Starts a worker with these settings in addition to those of the installation.
    pub(crate) async fn worker(&self, settings: &[(&str, &str)]) -> Result<Process> {
        self.start("worker", settings, "the worker takes events").await
    }

    async fn start(&self, command: &str, additional: &[(&str, &str)], ready: &str) -> Result<Process> {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = own.chain(SETTINGS).chain(additional.iter().copied()).collect();
        Process::start(tempfile::tempdir()?, &self.careq_sync, &[command], &settings, ready).await
    }

    /// URL of the database, if PostgreSQL is reached at another address.
    pub(crate) fn database_url_at(&self, address: &str) -> String {
        format!("{POSTGRESQL}/{}", self.config.broker.prefix).replace(POSTGRESQL_ADDRESS, address)
    }

    /// Partitions of the queues.
    pub(crate) fn partitions(&self) -> NonZero<u16> {
        self.config.broker.partitions
    }

    /// Name of the queue of the clinic's single webhooks.
    pub(crate) fn live_queue(&self) -> String {
        let partition = partition::for_clinic(CLINIC, self.partitions());
        self.topology.name(PartitionQueue { queue: Queue::Live, partition })
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.get_postgres_connection_pool()
    }

    /// Empties the queues of single webhooks.
    pub(crate) async fn purge(&self) -> Result<()> {
        for queue in self.topology.queues().into_iter().filter(|queue| queue.queue == Queue::Live) {
            let name = self.topology.name(queue).into();
            self.rabbitmq.channel.queue_purge(name, QueuePurgeOptions::default()).await?;
        }
        Ok(())
    }

    /// Empties tables and those that refer to them.
    pub(crate) async fn empty(&self, tables: &str) -> Result<()> {
        self.database.execute_unprepared(&format!("TRUNCATE {tables} CASCADE")).await?;
        // Otherwise the writes of the last measurement would slow the next one. The role may lack the privilege.
        if let Err(error) = self.database.execute_unprepared("CHECKPOINT").await {
            print::warning(&format!("no checkpoint between the measurements: {error}"));
        }
        Ok(())
    }
}

async fn add_clinic(database: &DatabaseConnection, config: &Config) -> Result<Credentials> {
    let keys = || seal::open(config);
    let actor = Actor::process_user(Origin::CommandLine);
    let secrets = clinics::add(database, &keys, &actor, CLINIC, &[CredentialKind::SigningSecret]).await?;
    let secret = |wanted| {
        let found = secrets.iter().find(|(kind, _)| *kind == wanted);
        found.map(|(_, secret)| secret.expose_secret().to_owned()).context("the clinic has its secrets")
    };
    Ok(Credentials {
        token: secret(CredentialKind::Token)?,
        signing_secret: secret(CredentialKind::SigningSecret)?,
    })
}

/// A channel to RabbitMQ with its connection.
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

/// A database and queues that are removed when it is dropped.
struct Removal {
    database: String,
    topology: Topology,
}

impl Drop for Removal {
    fn drop(&mut self) {
        // Nothing else runs after a measurement, so the thread may block.
        let removed = tokio::task::block_in_place(|| Handle::current().block_on(self.remove()));
        if let Err(error) = removed {
            print::warning(&format!("database and queues {} were not removed: {error:#}", self.database));
        }
    }
}

impl Removal {
    async fn remove(&self) -> Result<()> {
        let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await?;
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        admin.execute_unprepared(&statement).await?;
        let mut rabbitmq = RabbitMqChannel::open().await?;
        for queue in self.topology.queues() {
            rabbitmq = delete(rabbitmq, &self.topology.name(queue)).await?;
        }
        Ok(())
    }
}

/// Deletes a queue, and returns the channel for the next one. RabbitMQ 3.10 may return an internal error while it still
/// processes the million messages of a queue.
async fn delete(mut rabbitmq: RabbitMqChannel, queue: &str) -> Result<RabbitMqChannel> {
    let mut retries = 0;
    while let Err(error) = rabbitmq.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await {
        if retries == MAX_RETRIES {
            return Err(error.into());
        }
        tokio::time::sleep(RETRY_DELAY).await;
        // An error has closed the channel.
        rabbitmq = RabbitMqChannel::open().await?;
        retries += 1;
    }
    Ok(rabbitmq)
}
