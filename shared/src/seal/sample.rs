//! A test of the keys: it opens some sealed values, and discards them.

use std::collections::BTreeMap;

use sea_orm::{
    DatabaseConnection, DbErr, EntityTrait as _, Order, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::cipher::{OpenError, Seal};
use super::columns::{AadharNumbers, DeadLetters, EventKeys, ParkedEvents, SealedColumn, SigningSecrets};

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
    sample_column::<EventKeys>(database, seal, &mut sample).await?;
    sample_column::<SigningSecrets>(database, seal, &mut sample).await?;
    sample_column::<AadharNumbers>(database, seal, &mut sample).await?;
    sample_column::<ParkedEvents>(database, seal, &mut sample).await?;
    sample_column::<DeadLetters>(database, seal, &mut sample).await?;
    Ok(sample)
}

async fn sample_column<C: SealedColumn>(
    database: &DatabaseConnection,
    seal: &Seal,
    sample: &mut Sample,
) -> Result<(), DbErr> {
    for order in [Order::Asc, Order::Desc] {
        let rows = C::Entity::find().filter(C::applies()).order_by(C::ID, order).limit(ROWS);
        for row in rows.all(database).await? {
            let Some(sealed) = C::sealed(&row) else { continue };
            match seal.open(C::associated_data(&C::key(&row)), &sealed) {
                Ok(_) => sample.opened += 1,
                Err(OpenError::UnknownKey(id)) => *sample.unknown_keys.entry(id).or_default() += 1,
                Err(OpenError::Damaged) => sample.damaged += 1,
            }
        }
    }
    Ok(())
}
