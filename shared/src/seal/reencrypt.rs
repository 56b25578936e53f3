//! Seals everything anew under the current key, after a rotation: in small transactions, and from where it stood if it was
//! interrupted, since each value names its key. It must never replace a value that has changed meanwhile.

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

/// Rows of one transaction, each of which may be as large as a message.
const ROWS: u64 = 16;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that were under another key and are under the current one now.
    pub sealed: u64,
    /// Values that are under another key after all: they could not be opened, or a process still seals with an old key.
    pub left: u64,
    /// Values that could not be opened, by the reason.
    pub unopened: BTreeMap<String, u64>,
}

/// Seals everything anew that is not under the current key. Workers may go on meanwhile.
///
/// # Errors
/// The database's own. What was committed stays, and the next run goes on from there.
pub async fn reencrypt(database: &DatabaseConnection, seal: &Seal) -> Result<Report, DbErr> {
    let mut report = Report::default();
    every::<EventKeys>(database, seal, &mut report).await?;
    every::<SigningSecrets>(database, seal, &mut report).await?;
    every::<AadharNumbers>(database, seal, &mut report).await?;
    every::<ParkedEvents>(database, seal, &mut report).await?;
    every::<DeadLetters>(database, seal, &mut report).await?;
    report.left = left::<EventKeys>(database, seal).await?
        + left::<SigningSecrets>(database, seal).await?
        + left::<AadharNumbers>(database, seal).await?
        + left::<ParkedEvents>(database, seal).await?
        + left::<DeadLetters>(database, seal).await?;
    Ok(report)
}

async fn every<C: SealedColumn>(
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
            one::<C>(&transaction, seal, row, report).await?;
        }
        transaction.commit().await?;
    }
}

async fn left<C: SealedColumn>(database: &DatabaseConnection, seal: &Seal) -> Result<u64, DbErr> {
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

async fn one<C: SealedColumn>(
    transaction: &DatabaseTransaction,
    seal: &Seal,
    row: &<C::Entity as EntityTrait>::Model,
    report: &mut Report,
) -> Result<(), DbErr> {
    let Some(former) = C::sealed(row) else { return Ok(()) };
    let key = C::key(row);
    let value = match seal.open(C::place(&key), &former) {
        Ok(value) => value,
        Err(reason) => {
            *report.unopened.entry(reason.to_string()).or_default() += 1;
            return Ok(());
        }
    };
    let written = C::Entity::update_many()
        .col_expr(C::VALUE, Expr::value(C::stored(seal.seal(C::place(&key), &value))))
        .filter(C::ID.eq(C::id(row)))
        .filter(C::VALUE.eq(C::stored(former)))
        .exec(transaction)
        .await?;
    report.sealed += written.rows_affected;
    Ok(())
}
