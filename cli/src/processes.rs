//! The four processes: standalone, ingress, worker, console. Each wires up the same parts, in the order of start and shutdown.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use careq_console::api::{self, Api};
use careq_ingress::{Ingress, Parts};
use careq_shared::broker::Broker;
use careq_shared::config::{Config, Process};
use careq_shared::processes::keep_registered;
use careq_shared::seal::{self, Seal};
use careq_shared::telemetry::measure::Measured;
use careq_shared::telemetry::metrics::metrics;
use careq_worker::{Settings, Worker};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::operations::{self, Readiness};
use crate::{broker, first_start, migrate};

/// The time for closing connections at the end of a process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A worker that has retried the same transaction for longer is not ready.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// Ingress, worker and admin API in one process, with any database and broker.
pub(crate) async fn standalone(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = broker::open(config, &seal, "standalone").await?;
    let first_token = first_start::add_clinics(&database, config).await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;

    // A pool has one connection on SQLite, so the ingress has a pool of its own: it must not wait for the worker's transactions.
    let ingress_database = migrate::connect(config).await?;
    let ingress = Ingress::start(parts(config, &broker, ingress_database.clone(), &seal), &shutdown);
    let admin_database = migrate::connect(config).await?;
    let databases = [database.clone(), ingress_database.clone(), admin_database.clone()];
    let measured = Measured {
        besides: vec![database.clone(), admin_database.clone()],
        ..measured(&ingress_database, &broker)
    };
    let admin = admin_api(config, admin_database, &seal, &shutdown);
    let operations =
        operations::start(config, readiness(&ingress), measured, admin, shutdown.clone()).await?;
    // The worker stops after the ingress has answered its last request, since requests wait for results.
    let worker_shutdown = CancellationToken::new();
    let settings = Settings { process: Process::Standalone, ..Settings::from(config) };
    let worker = Worker::new(database, Arc::clone(&broker), seal, settings);
    let worker = tokio::spawn(worker.run(worker_shutdown.clone()));
    ingress.clinics_are_known().await;
    tracing::info!(%address, "careq-sync takes requests");
    if let Some(token) = &first_token {
        first_start::welcome(address, token);
    }
    careq_ingress::run(listener, ingress, shutdown).await;
    worker_shutdown.cancel();
    worker.await?;
    operations.await?;
    close(Some(broker.as_ref()), &databases).await;
    Ok(())
}

/// An ingress. It needs RabbitMQ.
pub(crate) async fn ingress(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    first_start::seed(&database, config).await?;
    let broker = broker::open(config, &seal, "ingress").await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;
    let ingress = Ingress::start(parts(config, &broker, database.clone(), &seal), &shutdown);
    let measured = measured(&database, &broker);
    operations::start(config, readiness(&ingress), measured, Router::new(), shutdown.clone()).await?;
    let partitions = broker.partitions();
    let registered = keep_registered(database.clone(), Process::Ingress, partitions, shutdown.clone());
    let registered = tokio::spawn(registered);
    let known = Arc::clone(&ingress);
    tokio::spawn(async move {
        known.clinics_are_known().await;
        tracing::info!(%address, "the ingress takes requests");
    });
    careq_ingress::run(listener, ingress, shutdown).await;
    registered.await?;
    close(Some(broker.as_ref()), &[database]).await;
    Ok(())
}

/// A worker. It needs RabbitMQ.
pub(crate) async fn worker(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = broker::open(config, &seal, "worker").await?;
    let connected = Arc::clone(&broker);
    let readiness: Readiness = Arc::new(move || connected.is_connected() && !is_stuck());
    let measured = measured(&database, &broker);
    operations::start(config, readiness, measured, Router::new(), shutdown.clone()).await?;
    let worker = Worker::new(database.clone(), Arc::clone(&broker), seal, Settings::from(config));
    worker.run(shutdown).await;
    close(Some(broker.as_ref()), &[database]).await;
    Ok(())
}

/// Whether a worker has retried the same transaction for too long. The cause may require an operator.
fn is_stuck() -> bool {
    metrics().repeating.oldest_age().is_some_and(|age| age > STUCK_AFTER)
}

/// A console: the admin API, on the operations port. It needs no broker, since replay jobs are rows.
pub(crate) async fn console(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let measured = Measured { database: database.clone(), besides: Vec::new(), broker: None };
    let admin = admin_api(config, database.clone(), &seal, &shutdown);
    let registered = keep_registered(database.clone(), Process::Console, 0, shutdown.clone());
    let registered = tokio::spawn(registered);
    // Always ready: without the database, each response is an error that says so.
    let serving = operations::start(config, Arc::new(|| true), measured, admin, shutdown).await?;
    serving.await?;
    registered.await?;
    close(None, &[database]).await;
    Ok(())
}

/// Closes the connections of a finished process, since RabbitMQ and PostgreSQL log an error for each that breaks off. A server that does
/// not respond is skipped after a timeout.
async fn close(broker: Option<&dyn Broker>, databases: &[DatabaseConnection]) {
    let close_broker = async {
        if let Some(broker) = broker {
            broker.close().await;
        }
    };
    let close_databases = async {
        for database in databases {
            checkpoint(database).await;
            if let Err(fault) = database.close_by_ref().await {
                tracing::debug!(%fault, "could not close the database connections");
            }
        }
    };
    // Concurrently, since one of them may not respond.
    tokio::join!(with_timeout(close_broker), with_timeout(close_databases));
}

/// Moves the content of SQLite's write-ahead log into the database file.
async fn checkpoint(database: &DatabaseConnection) {
    if database.get_database_backend() == DbBackend::Sqlite {
        let result = database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await;
        if let Err(fault) = result {
            // With other readers, SQLite checkpoints when the last connection closes.
            tracing::debug!(%fault, "could not checkpoint the write-ahead log");
        }
    }
}

async fn with_timeout(closing: impl Future<Output = ()>) {
    if timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::debug!("closing the connections timed out");
    }
}

/// The admin API. Its pool is its own: on SQLite, requests and the worker's transactions would wait for each other.
fn admin_api(
    config: &Config,
    database: DatabaseConnection,
    seal: &Arc<Seal>,
    shutdown: &CancellationToken,
) -> Router {
    let parts = api::Dependencies {
        database,
        seal: Arc::clone(seal),
        max_body_bytes: config.ingress.max_body_bytes,
        limits: config.ingress.record_limits(),
        trusted_proxies: config.ingress.trusted_proxies.clone(),
        shutdown: shutdown.clone(),
    };
    Api::new(parts).routes()
}

fn measured(database: &DatabaseConnection, broker: &Arc<dyn Broker>) -> Measured {
    Measured { database: database.clone(), besides: Vec::new(), broker: Some(Arc::clone(broker)) }
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
