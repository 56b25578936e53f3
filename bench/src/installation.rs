//! A database and queues of the run's own, on the servers that the tests use. They must be gone afterwards.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use careq_shared::broker::Queue;
use careq_shared::broker::rabbitmq::{RabbitMq, Topology};
use careq_shared::clinics;
use careq_shared::config::{self, Config};
use careq_shared::database;
use careq_shared::seal::{self, Seal};
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use uuid::Uuid;

pub(crate) const CLINIC: &str = "clinic_abc";
pub(crate) const TOKEN: &str = "a-token-for-the-bench-with-more-than-32-characters";

const POSTGRESQL: &str = "postgres://careq_test:careq_test@127.0.0.1:5432";
pub(crate) const RABBITMQ: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";

pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) database: DatabaseConnection,
    pub(crate) broker: Arc<RabbitMq>,
    pub(crate) topology: Topology,
    pub(crate) seal: Arc<Seal>,
    name: String,
}

impl Installation {
    pub(crate) async fn new() -> Result<Self> {
        let name = format!("careq_bench_{}", Uuid::new_v4().simple());
        let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await;
        let admin = admin.context("PostgreSQL cannot be used; `make servers` installs and starts it")?;
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
        let settings = [
            ("CAREQ_DATABASE_URL", format!("{POSTGRESQL}/{name}")),
            ("CAREQ_BROKER_URL", RABBITMQ.to_owned()),
            ("CAREQ_BROKER_PREFIX", name.clone()),
            ("CAREQ_INGRESS_RATE_PER_MINUTE", "0".to_owned()),
            ("CAREQ_INGRESS_ANSWER_WITHIN_MS", "0".to_owned()),
            ("CAREQ_CLINICS", format!("{CLINIC}={TOKEN}")),
            ("CAREQ_SEAL_KEYS", format!("bench:{}=", "A".repeat(43))),
        ];
        let config = config::load(None, settings.map(|(name, value)| (name.to_owned(), value)))?;
        let database = database::connect(&config).await?;
        careq_migrations::up(&database).await?;
        clinics::seed(&database, &|| seal::open(&config), &config.clinics).await?;
        let broker = Arc::new(RabbitMq::connect(&config.broker, "bench").await?);
        let topology = Topology::new(&config.broker.prefix);
        let seal = Arc::new(seal::open(&config)?);
        Ok(Self { config, database, broker, topology, seal, name })
    }

    /// Deletes the database and the queues.
    pub(crate) async fn remove(self) -> Result<()> {
        let connection = Connection::connect(RABBITMQ, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        for queue in Queue::ALL {
            channel.queue_delete(self.topology.name(queue).into(), QueueDeleteOptions::default()).await?;
        }
        self.database.close().await?;
        let admin = Database::connect(format!("{POSTGRESQL}/postgres")).await?;
        admin.execute_unprepared(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await?;
        Ok(())
    }
}
