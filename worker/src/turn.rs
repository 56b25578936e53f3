//! A long list, looked through a part at a time. However many rows wait, a look must never cost more than its part.

use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, TryGetable, Value,
};

/// Most rows of a part.
const MOST_ROWS: u64 = 1_000;

/// Where the last part ended; nothing where the next one is the first.
#[derive(Debug, Clone)]
pub(crate) struct Turn<K> {
    after: Option<K>,
}

impl<K> Default for Turn<K> {
    fn default() -> Self {
        Self { after: None }
    }
}

impl<K: TryGetable + Clone + Into<Value>> Turn<K> {
    /// The rows that are looked at now, by their keys; the next time it is those behind them.
    pub(crate) async fn next<E: EntityTrait>(
        &mut self,
        database: &DatabaseConnection,
        rows: Select<E>,
        key: E::Column,
    ) -> Result<Condition, DbErr> {
        let from = Condition::all().add_option(self.after.take().map(|after| key.gt(after)));
        let last = rows
            .select_only()
            .column(key)
            .filter(from.clone())
            .order_by_asc(key)
            .offset(MOST_ROWS - 1)
            .limit(1);
        self.after = last.into_tuple().one(database).await?;
        Ok(from.add_option(self.after.clone().map(|last| key.lte(last))))
    }
}
