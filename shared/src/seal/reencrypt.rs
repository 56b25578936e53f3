//! Re-encryption under the current key, after a rotation. It runs in small transactions. An interrupted run
//! continues, because each value names its key. A value that has changed meanwhile is not overwritten.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, Func, Order, SelectStatement};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr};

use super::cipher::Seal;
use super::columns::{COLUMNS, SealedColumn, SealedRow};
use super::sealed::Sealed;
use crate::database;

/// The number of rows in one transaction. Each row may be as large as a message.
const ROWS: u64 = 16;

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that were re-encrypted under the current key.
    pub sealed: u64,
    /// Values that are still under another key: they could not be opened, or a process still seals with an old key.
    pub left: u64,
    /// Values that could not be opened, by reason.
    pub unopened: BTreeMap<String, u64>,
}

/// Re-encrypts every value that is not under the current key. Workers may continue meanwhile.
///
/// # Errors
/// The database's own error. Committed transactions stay, and the next run continues.
pub async fn reencrypt(database: &DatabaseConnection, seal: &Seal) -> Result<Report, DbErr> {
    let mut report = Report::default();
    for column in &COLUMNS {
        reencrypt_column(database, seal, column, &mut report).await?;
    }
    for column in &COLUMNS {
        report.left += count_left(database, seal, column).await?;
    }
    Ok(report)
}

async fn reencrypt_column(
    database: &DatabaseConnection,
    seal: &Seal,
    column: &SealedColumn,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut after = None;
    loop {
        let transaction = database::begin_write(database).await?;
        let mut select = under_other_keys(column, seal);
        select.and_where_option(after.map(|id| Expr::col(column.id()).gt(id)));
        select.order_by(column.id(), Order::Asc).limit(ROWS);
        let rows = column.rows(&transaction, select).await?;
        for row in &rows {
            reencrypt_row(&transaction, seal, column, row, report).await?;
        }
        transaction.commit().await?;
        let Some(last) = rows.into_iter().next_back() else { return Ok(()) };
        after = Some(last.id);
    }
}

async fn count_left(database: &DatabaseConnection, seal: &Seal, column: &SealedColumn) -> Result<u64, DbErr> {
    let mut select = under_other_keys(column, seal);
    select.expr(Expr::col(column.id()).count());
    let counted = database.query_one(database.get_database_backend().build(&select)).await?;
    // An operator who reads 0 removes the old key.
    let left = counted.and_then(|row| u64::try_from(row.try_get_by::<i64, _>(0).ok()?).ok());
    left.ok_or_else(|| DbErr::Type("values under other keys cannot be counted".to_owned()))
}

fn under_other_keys(column: &SealedColumn, seal: &Seal) -> SelectStatement {
    let prefix = Sealed::prefix(seal.current_key());
    #[expect(clippy::expect_used, reason = "another length would find every value, or none")]
    let length = i32::try_from(prefix.len()).expect("a key id has at most 32 characters");
    let begins = Func::cust("substr").args([Expr::col(column.value()).into(), 1.into(), length.into()]);
    column.select().and_where(Expr::expr(begins).ne(column.stored(Sealed::stored(prefix)))).to_owned()
}

async fn reencrypt_row(
    transaction: &DatabaseTransaction,
    seal: &Seal,
    column: &SealedColumn,
    row: &SealedRow,
    report: &mut Report,
) -> Result<(), DbErr> {
    let associated_data = row.associated_data(column);
    match seal.open(associated_data, &row.sealed) {
        Ok(value) => {
            let update = column.update(row, seal.seal(associated_data, &value));
            let written = transaction.execute(transaction.get_database_backend().build(&update)).await?;
            report.sealed += written.rows_affected();
        }
        Err(reason) => *report.unopened.entry(reason.to_string()).or_default() += 1,
    }
    Ok(())
}
