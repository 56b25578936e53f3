//! A cursor over a large table: each scan reads one page, whatever the number of rows.

use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, TryGetable, Value,
};

/// Rows of a page.
const MAX_ROWS: u64 = 1_000;

/// Last key of the previous page; `None` before the first page.
#[derive(Debug)]
pub(crate) struct ScanCursor<K> {
    after: Option<K>,
}

impl<K> Default for ScanCursor<K> {
    fn default() -> Self {
        Self { after: None }
    }
}

impl<K: TryGetable + Clone + Into<Value>> ScanCursor<K> {
    /// The condition of the current page, and the cursor of the next one.
    pub(crate) async fn page<E: EntityTrait>(
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
