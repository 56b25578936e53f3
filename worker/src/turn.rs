//! A long list, looked through a part at a time. However many rows wait, a look must never cost more than its part.

use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, TryGetable, Value,
};

/// Most rows of a part.
const MAX_ROWS: u64 = 1_000;

/// Where the last part ended; nothing where the next one is the first.
#[derive(Debug)]
pub(crate) struct Turn<K> {
    after: Option<K>,
}

impl<K> Default for Turn<K> {
    fn default() -> Self {
        Self { after: None }
    }
}

impl<K: TryGetable + Clone + Into<Value>> Turn<K> {
    /// The rows that are looked at now, by their keys, and the turn of those behind them.
    pub(crate) async fn part<E: EntityTrait>(
        &self,
        database: &DatabaseConnection,
        rows: Select<E>,
        key: E::Column,
    ) -> Result<(Condition, Self), DbErr> {
        let from = Condition::all().add_option(self.after.clone().map(|after| key.gt(after)));
        let last = rows
            .select_only()
            .column(key)
            .filter(from.clone())
            .order_by_asc(key)
            .offset(MAX_ROWS - 1)
            .limit(1);
        let last: Option<K> = last.into_tuple().one(database).await?;
        Ok((from.add_option(last.clone().map(|last| key.lte(last))), Self { after: last }))
    }
}
