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
pub(crate) struct Rows(Arc<[Table]>);

impl Rows {
    /// Reads the rows, and creates the tables that they are written to.
    pub(crate) async fn read(installation: &Installation) -> Result<Self> {
        let mut tables = Vec::new();
        for name in RECORDS.into_iter().chain([LEDGER]) {
            tables.push(Table::read(installation.pool(), name).await?);
        }
        Ok(Self(tables.into()))
    }

    fn events(&self) -> usize {
        self.0.last().map_or(0, |ledger| ledger.rows)
    }
}

impl Table {
    async fn read(pool: &PgPool, name: &str) -> Result<Self> {
        let described = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute \
                         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let columns: Vec<(String, String)> = sqlx::query_as(described).bind(name).fetch_all(pool).await?;
        let list = |each: &dyn Fn(usize, &(String, String)) -> String| {
            let each = columns.iter().enumerate().map(|(place, column)| each(place + 1, column));
            each.collect::<Vec<_>>().join(", ")
        };
        let (names, texts) =
            (list(&|_, (name, _)| name.clone()), list(&|_, (name, _)| format!("{name}::text")));
        let (arrays, values) = (
            list(&|place, _| format!("${place}::text[]")),
            list(&|place, (_, kind)| format!("v{place}::{kind}")),
        );
        let aliases = list(&|place, _| format!("v{place}"));
        for statement in [
            format!("DROP TABLE IF EXISTS raw_{name}"),
            format!("CREATE TABLE raw_{name} (LIKE {name} INCLUDING ALL)"),
        ] {
            sqlx::query(&statement).execute(pool).await?;
        }
        let order = if name == LEDGER { "accepted_at" } else { "careq_id" };
        let select = format!("SELECT {texts} FROM {name} ORDER BY {order}");
        let rows = sqlx::query(&select).fetch_all(pool).await?;
        let column = |place: usize| {
            let values = rows.iter().map(|row| row.try_get::<Option<String>, _>(place));
            values.collect::<Result<Vec<_>, sqlx::Error>>()
        };
        Ok(Self {
            insert: format!(
                "INSERT INTO raw_{name} ({names}) SELECT {values} FROM UNNEST({arrays}) AS v({aliases}) \
                 ON CONFLICT DO NOTHING"
            ),
            columns: (0..columns.len()).map(column).collect::<Result<Vec<_>, _>>()?,
            rows: rows.len(),
        })
    }

    /// Indexes of the rows that belong to a batch.
    fn rows_of(&self, batch: usize, batches: usize) -> Range<usize> {
        batch * self.rows / batches..(batch + 1) * self.rows / batches
    }
}

/// Number of events per second whose rows are written.
pub(crate) async fn write(installation: &Installation, rows: &Rows) -> Result<f64> {
    for name in RECORDS.into_iter().chain([LEDGER]) {
        sqlx::query(&format!("TRUNCATE raw_{name}")).execute(installation.pool()).await?;
    }
    let worker = &installation.config.worker;
    let (batches, connections) = (rows.events().div_ceil(worker.batch_size).max(1), worker.concurrency);
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
    let per_second = to_f64(rows.events()) / began_at.elapsed().as_secs_f64();
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM raw_events").fetch_one(installation.pool()).await?;
    ensure!(usize::try_from(written)? == rows.events(), "not every row was written");
    Ok(per_second)
}

async fn write_batch(pool: &PgPool, tables: &Rows, batch: usize, batches: usize) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for table in tables.0.iter() {
        let rows = table.rows_of(batch, batches);
        if rows.is_empty() {
            continue;
        }
        let mut insert = sqlx::query(&table.insert);
        for column in &table.columns {
            insert = insert.bind(&column[rows.clone()]);
        }
        insert.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
