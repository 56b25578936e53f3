//! Batches: nothing refers to one, so that each is forgotten when it was accepted so long ago. Its events must stay for longer.

use careq_shared::entities::batch::{Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::{
    Condition, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::step::{Looked, MAX_ROWS, Next, Page, Place, Rule};
use crate::db::lookup::any_of;

/// See the module.
pub(super) struct Batches;

impl Rule for Batches {
    const TABLE: &'static str = "batches";

    async fn step(transaction: &DatabaseTransaction, page: &Page) -> Result<Looked, DbErr> {
        let rows: Vec<(DateTime<Utc>, String, String)> = Entity::find()
            .select_only()
            .columns([Column::AcceptedAt, Column::ClinicId, Column::BatchId])
            .filter(page.condition(Column::AcceptedAt, Column::BatchId))
            .order_by_asc(Column::AcceptedAt)
            .order_by_asc(Column::BatchId)
            .limit(MAX_ROWS)
            .into_tuple()
            .all(transaction)
            .await?;
        let next = Next::behind(&rows, |(at, _, id)| Place { at: *at, id: id.as_str().into() });
        if rows.is_empty() {
            return Ok(Looked { forgotten: 0, with: 0, next });
        }
        let keys = rows.into_iter().map(|(_, clinic_id, batch_id)| (clinic_id, batch_id)).collect();
        let old: Condition =
            any_of(transaction.get_database_backend(), Column::ClinicId, Column::BatchId, &keys);
        let deleted = Entity::delete_many().filter(old).exec(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with: 0, next })
    }
}
