//! The four ways to run: everything in one process, an ingress, a worker, a console. Each is a list of parts; none may differ from
//! the others in what the parts do.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use careq_console::api::{self, Api};
use careq_ingress::{Ingress, Parts};
use careq_shared::broker::Broker;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::config::{BrokerKind, Config};
use careq_shared::seal::{self, Seal};
use careq_worker::{Settings, Worker};
use sea_orm::DatabaseConnection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::operations::{self, Readiness};
use crate::{first_start, migrate, shutdown};

/// Ingress and worker together, on whatever database and broker are set.
pub(crate) async fn standalone(config: &Config) -> Result<()> {
    let shutdown = shutdown::on_signal()?;
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = broker(config, "standalone").await?;
    let first_token = first_start::make_clinics(&database, config).await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;

    // SQLite has one connection a pool: status pages must not wait for the worker's transactions.
    let parts = parts(config, &broker, migrate::connect(config).await?, &seal);
    let ingress = Ingress::start(parts, &shutdown);
    let admin = admin_api(config, &seal, &shutdown).await?;
    let operations = operations::start(config, readiness(&ingress), admin, shutdown.clone()).await?;
    // The worker goes on until the last request in hand has its answer.
    let working = CancellationToken::new();
    let worker = tokio::spawn(
        Worker::new(database, broker, seal, Settings::from(&config.worker)).run(working.clone()),
    );
    ingress.clinics_are_known().await;
    tracing::info!(%address, "careq-sync takes requests");
    if let Some(token) = &first_token {
        first_start::welcome(address, token);
    }
    careq_ingress::run(listener, ingress, shutdown).await;
    working.cancel();
    worker.await?;
    Ok(operations.await?)
}

/// An ingress.
pub(crate) async fn ingress(config: &Config) -> Result<()> {
    require_rabbitmq(config, "ingress")?;
    let shutdown = shutdown::on_signal()?;
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    careq_shared::clinics::seed(&database, &|| seal::open(config), &config.clinics).await?;
    let broker = broker(config, "ingress").await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;
    let ingress = Ingress::start(parts(config, &broker, database, &seal), &shutdown);
    operations::start(config, readiness(&ingress), Router::new(), shutdown.clone()).await?;
    let known = Arc::clone(&ingress);
    tokio::spawn(async move {
        known.clinics_are_known().await;
        tracing::info!(%address, "the ingress takes requests");
    });
    careq_ingress::run(listener, ingress, shutdown).await;
    Ok(())
}

/// A worker.
pub(crate) async fn worker(config: &Config) -> Result<()> {
    require_rabbitmq(config, "worker")?;
    let shutdown = shutdown::on_signal()?;
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = broker(config, "worker").await?;
    let connected = Arc::clone(&broker);
    let readiness: Readiness = Arc::new(move || connected.is_connected());
    operations::start(config, readiness, Router::new(), shutdown.clone()).await?;
    Worker::new(database, broker, seal, Settings::from(&config.worker)).run(shutdown).await;
    Ok(())
}

/// A console: the admin API, on the operations port. It needs no broker, since replay jobs are rows.
pub(crate) async fn console(config: &Config) -> Result<()> {
    let shutdown = shutdown::on_signal()?;
    let seal = Arc::new(seal::open(config)?);
    let admin = admin_api(config, &seal, &shutdown).await?;
    // While the database is away, each answer says so.
    let serving = operations::start(config, Arc::new(|| true), admin, shutdown).await?;
    Ok(serving.await?)
}

/// With a pool of its own: on SQLite, people must not wait for the worker's transactions, nor it for them.
async fn admin_api(config: &Config, seal: &Arc<Seal>, shutdown: &CancellationToken) -> Result<Router> {
    let parts = api::Parts {
        database: migrate::connect(config).await?,
        seal: Arc::clone(seal),
        body_limit_bytes: config.ingress.body_limit_bytes,
        trusted_proxies: config.ingress.trusted_proxies.clone(),
        shutdown: shutdown.clone(),
    };
    Ok(Api::new(parts).routes())
}

async fn broker(config: &Config, process: &str) -> Result<Arc<dyn Broker>> {
    Ok(match config.broker.kind() {
        BrokerKind::Embedded => Arc::new(Embedded::open(&config.data.dir).await?),
        BrokerKind::RabbitMq => {
            Arc::new(RabbitMq::connect(&config.broker, &format!("careq-sync {process}")).await?)
        }
    })
}

fn parts(config: &Config, broker: &Arc<dyn Broker>, database: DatabaseConnection, seal: &Arc<Seal>) -> Parts {
    Parts {
        settings: config.ingress.clone(),
        publish_timeout: config.broker.publish_timeout(),
        broker: Arc::clone(broker),
        database,
        seal: Arc::clone(seal),
    }
}

async fn listen(config: &Config) -> Result<TcpListener> {
    let address = config.ingress.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; set ingress.listen (CAREQ_INGRESS_LISTEN) to a free address of this machine")
    })
}

fn readiness(ingress: &Arc<Ingress>) -> Readiness {
    let ingress = Arc::clone(ingress);
    Arc::new(move || ingress.is_ready())
}

fn require_rabbitmq(config: &Config, process: &str) -> Result<()> {
    if config.broker.kind() == BrokerKind::Embedded {
        bail!(
            "`careq-sync {process}` needs RabbitMQ, since the embedded queue belongs to one process: set broker.url \
             (CAREQ_BROKER_URL), or run `careq-sync` alone for one machine"
        );
    }
    Ok(())
}
