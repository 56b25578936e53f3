//! Whether a letter that comes out of the queue is still under way in the job that published it. If not, it has had its outcome, or
//! the job was cancelled: it is a copy, and must change nothing.

use std::collections::BTreeSet;

use careq_shared::dead_letters::{DeadLetterState, letter_id};
use careq_shared::entities::dead_letter::{Column, Entity};
use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use crate::order::Item;

/// The ids of the events among these that are, with their letters locked.
pub(crate) async fn under_way(
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
