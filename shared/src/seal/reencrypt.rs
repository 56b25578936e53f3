//! Re-encryption under the current key, after a rotation. It runs in small transactions. An interrupted run
//! continues, because each value names its key. A value that has changed meanwhile is not overwritten.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, IntoSimpleExpr as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::cipher::Seal;
use super::columns::{AadharNumbers, DeadLetters, EventKeys, ParkedEvents, SealedColumn, SigningSecrets};
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
    reencrypt_column::<EventKeys>(database, seal, &mut report).await?;
    reencrypt_column::<SigningSecrets>(database, seal, &mut report).await?;
    reencrypt_column::<AadharNumbers>(database, seal, &mut report).await?;
    reencrypt_column::<ParkedEvents>(database, seal, &mut report).await?;
    reencrypt_column::<DeadLetters>(database, seal, &mut report).await?;
    report.left = count_left::<EventKeys>(database, seal).await?
        + count_left::<SigningSecrets>(database, seal).await?
        + count_left::<AadharNumbers>(database, seal).await?
        + count_left::<ParkedEvents>(database, seal).await?
        + count_left::<DeadLetters>(database, seal).await?;
    Ok(report)
}

async fn reencrypt_column<C: SealedColumn>(
    database: &DatabaseConnection,
    seal: &Seal,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut after = None;
    loop {
        let transaction = database::begin_write(database).await?;
        let select = under_other_keys::<C>(seal).order_by_asc(C::ID).limit(ROWS);
        let rows = match after {
            Some(id) => select.filter(C::ID.gt(id)).all(&transaction).await?,
            None => select.all(&transaction).await?,
        };
        let Some(last) = rows.last() else { return transaction.commit().await };
        after = Some(C::id(last));
        for row in &rows {
            reencrypt_row::<C>(&transaction, seal, row, report).await?;
        }
        transaction.commit().await?;
    }
}

async fn count_left<C: SealedColumn>(database: &DatabaseConnection, seal: &Seal) -> Result<u64, DbErr> {
    let counted = under_other_keys::<C>(seal).select_only().column_as(C::ID.count(), "left");
    let left: Option<i64> = counted.into_tuple().one(database).await?;
    // An operator who reads 0 removes the old key.
    left.and_then(|left| u64::try_from(left).ok())
        .ok_or_else(|| DbErr::Type("values under other keys cannot be counted".to_owned()))
}

fn under_other_keys<C: SealedColumn>(seal: &Seal) -> Select<C::Entity> {
    let prefix = Sealed::prefix(seal.current_key());
    #[expect(clippy::expect_used, reason = "another length would find every value, or none")]
    let length = i32::try_from(prefix.len()).expect("a key id has at most 32 characters");
    let begins = Func::cust("substr").args([
        C::VALUE.into_simple_expr(),
        Expr::val(1).into(),
        Expr::val(length).into(),
    ]);
    C::Entity::find().filter(C::applies()).filter(Expr::expr(begins).ne(C::stored(Sealed::stored(prefix))))
}

async fn reencrypt_row<C: SealedColumn>(
    transaction: &DatabaseTransaction,
    seal: &Seal,
    row: &<C::Entity as EntityTrait>::Model,
    report: &mut Report,
) -> Result<(), DbErr> {
    let Some(former) = C::sealed(row) else { return Ok(()) };
    let key = C::key(row);
    let value = match seal.open(C::associated_data(&key), &former) {
        Ok(value) => value,
        Err(reason) => {
            *report.unopened.entry(reason.to_string()).or_default() += 1;
            return Ok(());
        }
    };
    let written = C::Entity::update_many()
        .col_expr(C::VALUE, Expr::value(C::stored(seal.seal(C::associated_data(&key), &value))))
        .filter(C::ID.eq(C::id(row)))
        .filter(C::VALUE.eq(C::stored(former)))
        .exec(transaction)
        .await?;
    report.sealed += written.rows_affected;
    Ok(())
}
