//! The registry of processes, table `processes`: each process of an installation on PostgreSQL renews a row while it lives.
//! Workers share the partitions of the queues by these rows; people see which processes there are, and what they do.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr,
    EntityTrait as _, FromQueryResult, IntoActiveModel as _, Iterable as _, QueryFilter as _,
    QuerySelect as _,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Process;
use crate::entities::process::{Column, Entity, Model};
use crate::telemetry::metrics::metrics;
use crate::{clock, database, ignore};

/// The interval at which a process renews its row.
pub const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);

/// The age of rows that a process without consumers deletes.
const OLD: Duration = Duration::from_hours(24);

/// The row of this process.
#[derive(Debug)]
pub struct Registration {
    row: Model,
    renewed_at: Instant,
}

/// The row of another process, as far as workers need it. A later version may have more columns.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
#[expect(missing_docs, reason = "the entity documents the columns")]
pub struct Registered {
    pub id: Uuid,
    pub kind: String,
    pub concurrency: i32,
    pub partitions: i32,
    pub seen_at: DateTime<Utc>,
    /// The time of the read, by the database's clock.
    pub read_at: DateTime<Utc>,
}

impl Registered {
    /// The time since the process renewed its row, by the database's clock.
    pub fn age(&self) -> Duration {
        (self.read_at - self.seen_at).to_std().unwrap_or_default()
    }
}

impl Registration {
    /// A row with a new id.
    pub fn new(process: Process) -> Self {
        let now = clock::now();
        let row = Model {
            id: Uuid::new_v4(),
            kind: process.runs_on().unwrap_or("command").to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id().into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: now,
            seen_at: now,
            concurrency: 0,
            partitions: 0,
            in_flight: 0,
            events_per_s: 0.0,
            batch_p95_ms: None,
        };
        Self { row, renewed_at: Instant::now() }
    }

    /// The id of the row.
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// Writes the row, with the work since the last time. `concurrency` is the number of consumers that work, `partitions` that
    /// of the known partitions.
    ///
    /// # Errors
    /// The database's own error, or a timeout.
    pub async fn renew(
        &mut self,
        database: &DatabaseConnection,
        concurrency: usize,
        partitions: u16,
    ) -> Result<(), DbErr> {
        let work = metrics().activity.take();
        let elapsed = std::mem::replace(&mut self.renewed_at, Instant::now()).elapsed();
        self.row.concurrency = i32::try_from(concurrency).unwrap_or(i32::MAX);
        self.row.partitions = partitions.into();
        self.row.in_flight = work.in_flight;
        self.row.events_per_s = work.events_per_s(elapsed);
        self.row.batch_p95_ms = work.batch_p95_ms;
        let mut row = self.row.clone().into_active_model();
        let column_value = |column| match column {
            // Workers compare it with the database's clock, which they share.
            Column::SeenAt => Some(SimpleExpr::from(Expr::current_timestamp())),
            column => row.take(column).into_value().map(SimpleExpr::Value),
        };
        let values: Option<Vec<_>> = Column::iter().map(column_value).collect();
        let changing = [
            Column::SeenAt,
            Column::Concurrency,
            Column::Partitions,
            Column::InFlight,
            Column::EventsPerS,
            Column::BatchP95Ms,
        ];
        let mut insert = Query::insert();
        insert
            .into_table(Entity)
            .columns(Column::iter())
            .on_conflict(OnConflict::column(Column::Id).update_columns(changing).to_owned())
            .values(values.into_iter().flatten())
            .map_err(|fault| DbErr::Custom(fault.to_string()))?;
        let statement = database.get_database_backend().build(&insert);
        database::read(|| async { database.execute(statement.clone()).await.map(drop) }).await
    }

    /// Deletes the row at the end of the process.
    pub async fn remove(&self, database: &DatabaseConnection) {
        let delete = Entity::delete_by_id(self.row.id);
        let deleted = database::read(|| async { delete.clone().exec(database).await.map(drop) }).await;
        ignore(deleted, "the workers notice that the row is no longer renewed");
    }
}

/// Reads the rows of all processes.
///
/// # Errors
/// The database's own error, or a timeout.
pub async fn all(database: &DatabaseConnection) -> Result<Vec<Registered>, DbErr> {
    let rows = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Kind, Column::Concurrency, Column::Partitions, Column::SeenAt])
        .column_as(Expr::current_timestamp(), "read_at");
    database::read(|| rows.clone().into_model().all(database)).await
}

/// Renews the row of a process without consumers until the shutdown. Nothing is registered on SQLite, which one process
/// uses.
pub async fn keep_registered(
    database: DatabaseConnection,
    process: Process,
    partitions: u16,
    shutdown: CancellationToken,
) {
    if database.get_database_backend() == DbBackend::Sqlite {
        return;
    }
    let mut registration = Registration::new(process);
    ignore(delete_old(&database).await, "they disturb nothing");
    loop {
        let renewed = registration.renew(&database, 0, partitions).await;
        ignore(renewed, "the metric of the database says so, and the row is written when it answers");
        if shutdown.run_until_cancelled(tokio::time::sleep(RENEWAL_INTERVAL)).await.is_none() {
            return registration.remove(&database).await;
        }
    }
}

/// Deletes rows of processes that have ended.
///
/// # Errors
/// The database's own error, or a timeout.
pub async fn delete(database: &DatabaseConnection, ended: Vec<Uuid>) -> Result<(), DbErr> {
    if ended.is_empty() {
        return Ok(());
    }
    let delete = Entity::delete_many().filter(Column::Id.is_in(ended));
    database::read(|| async { delete.clone().exec(database).await.map(drop) }).await
}

/// Deletes the rows of an installation whose workers, which delete them otherwise, have not run for a day.
async fn delete_old(database: &DatabaseConnection) -> Result<(), DbErr> {
    let rows = all(database).await?;
    delete(database, rows.iter().filter(|row| row.age() > OLD).map(|row| row.id).collect()).await
}
