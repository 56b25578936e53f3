//! A test of the keys: it opens some sealed values, and discards them.

use std::collections::BTreeMap;

use sea_orm::{DatabaseConnection, DbErr, Order};

use super::cipher::{OpenError, Seal};
use super::columns::COLUMNS;

/// The number of rows at either end of each column's ids, which are random.
const ROWS: u64 = 50;

/// The result of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Values that open.
    pub opened: u64,
    /// Values under a key that this process lacks, by the key's id.
    pub unknown_keys: BTreeMap<String, u64>,
    /// Values under a key of this process that do not open.
    pub damaged: u64,
}

/// Tries to open some values of every sealed column.
///
/// # Errors
/// The database's own error.
pub async fn sample(database: &DatabaseConnection, seal: &Seal) -> Result<Sample, DbErr> {
    let mut sample = Sample::default();
    for column in &COLUMNS {
        for order in [Order::Asc, Order::Desc] {
            let select = column.select().order_by(column.id(), order).limit(ROWS).to_owned();
            for row in column.rows(database, select).await? {
                match seal.open(row.associated_data(column), &row.sealed) {
                    Ok(_) => sample.opened += 1,
                    Err(OpenError::UnknownKey(id)) => *sample.unknown_keys.entry(id).or_default() += 1,
                    Err(OpenError::Damaged) => sample.damaged += 1,
                }
            }
        }
    }
    Ok(sample)
}
