//! Raw limit of a worker: the rows that it wrote, written again into tables of the same form.
//!
//! The transactions have the worker's batch size and run over as many connections as it has consumers. Each table is written by
//! one statement with arrays, the fastest known. Nothing is read or decided, and no foreign key is checked.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use sea_orm::sqlx::{self, PgPool, Row as _};
use tokio::task::JoinSet;

use crate::installation::Installation;
use crate::statistics::to_f64;

const RECORDS: [&str; 4] = ["patients", "doctors", "services", "appointments"];
const LEDGER: &str = "events";

/// The rows of one table, by column.
struct Table {
    insert: String,
    columns: Vec<Vec<Option<String>>>,
    rows: usize,
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
        let mut tables = Vec::new();
        for name in RECORDS {
            tables.push(Table::read(installation.pool(), name).await?);
        }
        let ledger = Table::read(installation.pool(), LEDGER).await?;
        let events = ledger.rows;
        tables.push(ledger);
        Ok(Self { tables: tables.into(), events })
    }
}

impl Table {
    async fn read(pool: &PgPool, name: &str) -> Result<Self> {
        let described = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute \
                         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let columns: Vec<(String, String)> = sqlx::query_as(described).bind(name).fetch_all(pool).await?;
        for statement in [
            format!("DROP TABLE IF EXISTS raw_{name}"),
            format!("CREATE TABLE raw_{name} (LIKE {name} INCLUDING ALL)"),
        ] {
            sqlx::query(&statement).execute(pool).await?;
        }
        let texts = joined(&columns, |_, (name, _)| format!("{name}::text"));
        let order = if name == LEDGER { "accepted_at" } else { "careq_id" };
        let select = format!("SELECT {texts} FROM {name} ORDER BY {order}");
        let rows = sqlx::query(&select).fetch_all(pool).await?;
        let column = |index: usize| {
            let values = rows.iter().map(|row| row.try_get::<Option<String>, _>(index));
            values.collect::<Result<Vec<_>, sqlx::Error>>()
        };
        Ok(Self {
            insert: insert_statement(name, &columns),
            columns: (0..columns.len()).map(column).collect::<Result<Vec<_>, _>>()?,
            rows: rows.len(),
        })
    }

    /// Indexes of the rows that belong to a batch.
    fn rows_of(&self, batch: usize, batches: usize) -> Range<usize> {
        batch * self.rows / batches..(batch + 1) * self.rows / batches
    }
}

/// Statement that inserts rows given as one array of texts for each column.
fn insert_statement(table: &str, columns: &[(String, String)]) -> String {
    let names = joined(columns, |_, (name, _)| name.clone());
    let values = joined(columns, |number, (_, kind)| format!("v{number}::{kind}"));
    let arrays = joined(columns, |number, _| format!("${number}::text[]"));
    let aliases = joined(columns, |number, _| format!("v{number}"));
    format!(
        "INSERT INTO raw_{table} ({names}) SELECT {values} FROM UNNEST({arrays}) AS v({aliases}) ON CONFLICT DO NOTHING"
    )
}

/// A list with an entry for each column, which are numbered from 1.
fn joined(columns: &[(String, String)], entry: impl Fn(usize, &(String, String)) -> String) -> String {
    (1..).zip(columns).map(|(number, column)| entry(number, column)).collect::<Vec<_>>().join(", ")
}

/// Number of events per second whose rows are written.
pub(crate) async fn write(installation: &Installation, rows: &Rows) -> Result<f64> {
    for name in RECORDS.into_iter().chain([LEDGER]) {
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
    for table in rows.tables.iter() {
        let range = table.rows_of(batch, batches);
        if range.is_empty() {
            continue;
        }
        let mut insert = sqlx::query(&table.insert);
        for column in &table.columns {
            insert = insert.bind(&column[range.clone()]);
        }
        insert.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_takes_one_array_per_column() {
        let columns =
            [("id", "bigint"), ("name", "text")].map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        assert_eq!(
            insert_statement("patients", &columns),
            "INSERT INTO raw_patients (id, name) SELECT v1::bigint, v2::text \
             FROM UNNEST($1::text[], $2::text[]) AS v(v1, v2) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn batches_cover_all_rows_without_overlap() {
        let table = Table { insert: String::new(), columns: Vec::new(), rows: 10 };
        let rows: Vec<_> = (0..3).flat_map(|batch| table.rows_of(batch, 3)).collect();
        assert_eq!(rows, (0..10).collect::<Vec<_>>());
    }
}
