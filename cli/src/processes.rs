//! The four ways to run: everything in one process, an ingress, a worker, a console. Each is a list of parts; none may differ from
//! the others in what the parts do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use careq_console::api::{self, Api};
use careq_ingress::{Ingress, Parts};
use careq_shared::config::Config;
use careq_shared::seal::{self, Seal};
use careq_shared::telemetry::measure::{Measured, MeasuredBroker};
use careq_shared::telemetry::metrics::metrics;
use careq_worker::{Settings, Worker};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::broker::OpenBroker;
use crate::operations::{self, Readiness};
use crate::{first_start, migrate};

/// How long a process that has finished waits for the servers that it leaves.
const GOODBYE: Duration = Duration::from_secs(2);

/// A worker that has repeated the same transaction for so long is not ready.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// Ingress and worker together, on whatever database and broker are set.
pub(crate) async fn standalone(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = OpenBroker::open(config, &seal, "standalone").await?;
    let first_token = first_start::make_clinics(&database, config).await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;

    // SQLite has one connection a pool: status pages must not wait for the worker's transactions.
    let pages = migrate::connect(config).await?;
    let ingress = Ingress::start(parts(config, &broker, pages.clone(), &seal), &shutdown);
    let people = migrate::connect(config).await?;
    let databases = [database.clone(), pages.clone(), people.clone()];
    let measured = Measured { besides: vec![database.clone(), people.clone()], ..measured(&pages, &broker) };
    let admin = admin_api(config, people, &seal, &shutdown);
    let operations =
        operations::start(config, readiness(&ingress), measured, admin, shutdown.clone()).await?;
    // The worker goes on until the last request in hand has its answer.
    let working = CancellationToken::new();
    let worker = Worker::new(database, broker.port(), broker.depths(), seal, Settings::from(config));
    let worker = tokio::spawn(worker.run(working.clone()));
    ingress.clinics_are_known().await;
    tracing::info!(%address, "careq-sync takes requests");
    if let Some(token) = &first_token {
        first_start::welcome(address, token);
    }
    careq_ingress::run(listener, ingress, shutdown).await;
    working.cancel();
    worker.await?;
    operations.await?;
    leave(Some(&broker), &databases).await;
    Ok(())
}

/// An ingress.
pub(crate) async fn ingress(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    first_start::seed(&database, config).await?;
    let broker = OpenBroker::open(config, &seal, "ingress").await?;
    let listener = listen(config).await?;
    let address = listener.local_addr()?;
    let ingress = Ingress::start(parts(config, &broker, database.clone(), &seal), &shutdown);
    let measured = measured(&database, &broker);
    operations::start(config, readiness(&ingress), measured, Router::new(), shutdown.clone()).await?;
    let known = Arc::clone(&ingress);
    tokio::spawn(async move {
        known.clinics_are_known().await;
        tracing::info!(%address, "the ingress takes requests");
    });
    careq_ingress::run(listener, ingress, shutdown).await;
    leave(Some(&broker), &[database]).await;
    Ok(())
}

/// A worker.
pub(crate) async fn worker(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let broker = OpenBroker::open(config, &seal, "worker").await?;
    let connected = broker.port();
    let readiness: Readiness = Arc::new(move || connected.is_connected() && !is_stuck());
    let measured = measured(&database, &broker);
    operations::start(config, readiness, measured, Router::new(), shutdown.clone()).await?;
    let worker = Worker::new(database.clone(), broker.port(), broker.depths(), seal, Settings::from(config));
    worker.run(shutdown).await;
    leave(Some(&broker), &[database]).await;
    Ok(())
}

/// Whether a worker has tried the same transaction for long: only a person may be able to help.
fn is_stuck() -> bool {
    metrics().repeating.oldest_age().is_some_and(|age| age > STUCK_AFTER)
}

/// A console: the admin API, on the operations port. It needs no broker, since replay jobs are rows.
pub(crate) async fn console(config: &Config, shutdown: CancellationToken) -> Result<()> {
    let seal = Arc::new(seal::open(config)?);
    let database = migrate::connect(config).await?;
    let measured = Measured { database: database.clone(), besides: Vec::new(), broker: None };
    let admin = admin_api(config, database.clone(), &seal, &shutdown);
    // While the database is away, each answer says so.
    let serving = operations::start(config, Arc::new(|| true), measured, admin, shutdown).await?;
    serving.await?;
    leave(None, &[database]).await;
    Ok(())
}

/// Closes the connections of a process that has finished: RabbitMQ and PostgreSQL log a fault for each that just breaks off. A server that
/// does not answer is left without a word.
async fn leave(broker: Option<&OpenBroker>, databases: &[DatabaseConnection]) {
    let from_broker = async {
        if let Some(broker) = broker {
            broker.close().await;
        }
    };
    let from_databases = async {
        for database in databases {
            clean(database).await;
            database.close_by_ref().await.unwrap_or_default();
        }
    };
    // At the same time, for one of them may not answer.
    tokio::join!(for_a_moment(from_broker), for_a_moment(from_databases));
}

/// Brings all of SQLite's second file, which holds what was written last, into the first.
async fn clean(database: &DatabaseConnection) {
    if database.get_database_backend() == DbBackend::Sqlite {
        // As long as another reads, the last one to close the file does it.
        database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.map(drop).unwrap_or_default();
    }
}

async fn for_a_moment(leaving: impl Future<Output = ()>) {
    timeout(GOODBYE, leaving).await.unwrap_or_default();
}

/// With a pool of its own: on SQLite, people must not wait for the worker's transactions, nor it for them.
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

fn measured(database: &DatabaseConnection, broker: &OpenBroker) -> Measured {
    Measured {
        database: database.clone(),
        besides: Vec::new(),
        broker: Some(MeasuredBroker { broker: broker.port(), depths: broker.depths() }),
    }
}

fn parts(config: &Config, broker: &OpenBroker, database: DatabaseConnection, seal: &Arc<Seal>) -> Parts {
    Parts {
        settings: config.ingress.clone(),
        publish_timeout: config.broker.publish_timeout(),
        broker: broker.port(),
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
