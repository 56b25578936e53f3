//! Opens some of what is sealed, to see whether these are the keys. It must never keep or show what it opens.

use std::collections::BTreeMap;

use sea_orm::{
    DatabaseConnection, DbErr, EntityTrait as _, Order, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::cipher::{OpenError, Seal};
use super::columns::{AadharNumbers, DeadLetters, EventKeys, ParkedEvents, SealedColumn, SigningSecrets};

/// Rows of each column from either end of its ids, which are as good as random.
const ROWS: u64 = 50;

/// What was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Values that open.
    pub opened: u64,
    /// Values that do not, by the key that they name and this process lacks.
    pub unknown_keys: BTreeMap<String, u64>,
    /// Values that name a key of this process and do not open.
    pub damaged: u64,
}

/// Tries to open some values of every sealed column.
///
/// # Errors
/// The database's own.
pub async fn sample(database: &DatabaseConnection, seal: &Seal) -> Result<Sample, DbErr> {
    let mut sample = Sample::default();
    some::<EventKeys>(database, seal, &mut sample).await?;
    some::<SigningSecrets>(database, seal, &mut sample).await?;
    some::<AadharNumbers>(database, seal, &mut sample).await?;
    some::<ParkedEvents>(database, seal, &mut sample).await?;
    some::<DeadLetters>(database, seal, &mut sample).await?;
    Ok(sample)
}

async fn some<C: SealedColumn>(
    database: &DatabaseConnection,
    seal: &Seal,
    sample: &mut Sample,
) -> Result<(), DbErr> {
    for order in [Order::Asc, Order::Desc] {
        let rows = C::Entity::find().filter(C::applies()).order_by(C::ID, order).limit(ROWS);
        for row in rows.all(database).await? {
            let Some(sealed) = C::sealed(&row) else { continue };
            match seal.open(C::place(&C::key(&row)), &sealed) {
                Ok(_) => sample.opened += 1,
                Err(OpenError::UnknownKey(id)) => *sample.unknown_keys.entry(id).or_default() += 1,
                Err(OpenError::Damaged) => sample.damaged += 1,
            }
        }
    }
    Ok(())
}
