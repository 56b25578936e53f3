//! Execution plans of a statement, run with its recorded values and rolled back.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, SqlErr, Statement, TransactionTrait as _};

/// A plan. Except for an insert of stored rows, it was run.
pub(super) struct Plan {
    pub(super) statement: String,
    pub(super) text: String,
    /// Blocks touched, in memory or read from disk.
    pub(super) blocks: u64,
}

/// The plan of a statement with a setting of the planner.
pub(super) async fn explain(database: &DatabaseConnection, planner: &str, statement: &Statement) -> Plan {
    let lines = match explained(database, planner, "ANALYZE, BUFFERS", statement).await {
        // The statement inserts rows that are stored by now, so it is planned without being run.
        Err(fault) if matches!(fault.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            explained(database, planner, "COSTS", statement).await
        }
        run => run,
    };
    let lines = lines.unwrap_or_else(|fault| panic!("{fault}: {}", statement.sql));
    // The first line with buffers is that of the whole plan.
    let buffers = lines
        .iter()
        .find(|line| line.trim_start().starts_with("Buffers: shared"))
        .cloned()
        .unwrap_or_default();
    let count = |word: &str| -> u64 {
        let number = buffers.split(word).nth(1).unwrap_or_default().split(' ').next().unwrap_or_default();
        number.parse().unwrap_or_default()
    };
    Plan { statement: statement.sql.clone(), blocks: count("hit=") + count("read="), text: lines.join("\n") }
}

/// The lines of `EXPLAIN` with these options.
async fn explained(
    database: &DatabaseConnection,
    planner: &str,
    options: &str,
    statement: &Statement,
) -> Result<Vec<String>, DbErr> {
    let explained = Statement { sql: format!("EXPLAIN ({options}) {}", statement.sql), ..statement.clone() };
    let transaction = database.begin().await?;
    transaction.execute_unprepared(planner).await?;
    let rows = transaction.query_all(explained).await?;
    transaction.rollback().await?;
    rows.iter().map(|row| row.try_get_by(0)).collect()
}

/// The steps of SQLite's plan.
pub(super) async fn explain_sqlite(database: &DatabaseConnection, statement: &Statement) -> Vec<String> {
    let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement.clone() };
    let rows =
        database.query_all(explained).await.unwrap_or_else(|fault| panic!("{fault}: {}", statement.sql));
    rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect()
}

impl Plan {
    pub(super) fn reads_all_of(&self, table: &str) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.contains("Seq Scan on") && line.split_whitespace().any(|word| word == table))
    }

    pub(super) fn indexes(&self) -> BTreeSet<String> {
        let index_name = |line: &str| {
            let (_, rest) =
                line.split_once(" using ").or_else(|| line.split_once("Bitmap Index Scan on "))?;
            Some(rest.split_whitespace().next()?.to_owned())
        };
        self.text.lines().filter_map(index_name).collect()
    }

    /// Summary for the printed table.
    pub(super) fn line(&self) -> String {
        let took =
            self.text.lines().find_map(|line| line.strip_prefix("Execution Time: ")).unwrap_or_default();
        let words: String = self.statement.chars().filter(|letter| *letter != '"').take(60).collect();
        let indexes: Vec<_> = self.indexes().into_iter().collect();
        format!("{words:60} | {:6} blocks | {took:>12} | {}", self.blocks, indexes.join(", "))
    }
}
