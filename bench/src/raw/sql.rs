//! Raw limit of a worker: the rows that it wrote, written again into tables of the same form.
//!
//! The transactions have the worker's batch size and run over as many connections as it has consumers. Each table is written by
//! one statement with an array of its rows. Nothing is read or decided, and no foreign key is checked.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use sea_orm::sqlx::{self, PgPool};
use tokio::task::JoinSet;

use crate::installation::Installation;
use crate::statistics::to_f64;

/// Tables that a worker writes. The last one is the ledger.
const TABLES: [&str; 5] = ["patients", "doctors", "services", "appointments", "events"];

/// The rows of one table, each as PostgreSQL writes a row as text.
struct Table {
    name: &'static str,
    rows: Vec<String>,
}

/// Rows that a worker has written.
#[derive(Clone)]
pub(crate) struct Rows {
    tables: Arc<[Table]>,
    events: usize,
}

impl Rows {
    /// Reads the rows, and creates the tables that they are written to.
    pub(crate) async fn read(installation: &Installation) -> Result<Self> {
        let pool = installation.pool();
        let (mut tables, mut events) = (Vec::new(), 0);
        for name in TABLES {
            for statement in [
                format!("DROP TABLE IF EXISTS raw_{name}"),
                format!("CREATE TABLE raw_{name} (LIKE {name} INCLUDING ALL)"),
            ] {
                sqlx::query(&statement).execute(pool).await?;
            }
            // Without an order: PostgreSQL reads them in about the order in which they were written.
            let select = format!("SELECT {name}::text FROM {name}");
            let rows: Vec<String> = sqlx::query_scalar(&select).fetch_all(pool).await?;
            events = rows.len();
            tables.push(Table { name, rows });
        }
        Ok(Self { tables: tables.into(), events })
    }
}

/// Number of events per second whose rows are written.
pub(crate) async fn write(installation: &Installation, rows: &Rows) -> Result<f64> {
    for name in TABLES {
        sqlx::query(&format!("TRUNCATE raw_{name}")).execute(installation.pool()).await?;
    }
    let worker = &installation.config.worker;
    let (batches, connections) = (rows.events.div_ceil(worker.batch_size).max(1), worker.concurrency);
    let began_at = Instant::now();
    let mut writing = JoinSet::new();
    for connection in 0..connections {
        let (rows, pool) = (rows.clone(), installation.pool().clone());
        writing.spawn(async move {
            for batch in (connection..batches).step_by(connections) {
                write_batch(&pool, &rows, batch, batches).await?;
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    let per_second = to_f64(rows.events) / began_at.elapsed().as_secs_f64();
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM raw_events").fetch_one(installation.pool()).await?;
    ensure!(usize::try_from(written)? == rows.events, "not every row was written");
    Ok(per_second)
}

async fn write_batch(pool: &PgPool, rows: &Rows, batch: usize, batches: usize) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for Table { name, rows } in rows.tables.iter() {
        let rows = &rows[part(rows.len(), batch, batches)];
        if rows.is_empty() {
            continue;
        }
        let insert = format!(
            "INSERT INTO raw_{name} SELECT * FROM UNNEST($1::text[]::raw_{name}[]) ON CONFLICT DO NOTHING"
        );
        sqlx::query(&insert).bind(rows).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Indexes of the rows that belong to a batch.
fn part(rows: usize, batch: usize, batches: usize) -> Range<usize> {
    batch * rows / batches..(batch + 1) * rows / batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_all_rows_without_overlap() {
        let rows: Vec<_> = (0..3).flat_map(|batch| part(10, batch, 3)).collect();
        assert_eq!(rows, (0..10).collect::<Vec<_>>());
    }
}
