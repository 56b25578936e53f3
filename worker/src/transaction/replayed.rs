//! Replayed events: an event changes nothing if its dead letter is no longer part of the job that published it, since it has had its
//! outcome or the job was cancelled.

use std::collections::BTreeSet;

use careq_shared::dead_letters::{DeadLetterState, letter_id};
use careq_shared::entities::dead_letter::{Column, Entity};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use crate::item::Item;

/// Ids of the replayed events whose dead letters are still part of their job; locks these dead letters.
pub(crate) async fn still_part_of_job(
    transaction: &DatabaseTransaction,
    items: &[Item],
) -> Result<BTreeSet<String>, DbErr> {
    let replayed = items.iter().filter_map(|item| Some((item, item.replay?)));
    let any = replayed.fold(Condition::any(), |any, (item, job_id)| {
        let letter = letter_id(item.event.event_id.as_str());
        any.add(Column::Id.eq(letter).and(Column::JobId.eq(job_id)))
    });
    if any.is_empty() {
        return Ok(BTreeSet::new());
    }
    let event_ids: Vec<Option<String>> = Entity::find()
        .select_only()
        .column(Column::EventId)
        .filter(any)
        .filter(Column::State.eq(DeadLetterState::Replaying))
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(event_ids.into_iter().flatten().collect())
}
