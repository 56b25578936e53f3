//! The ledger: an event is forgotten when it was settled, and sent again last, so long ago. It stays as long as it waits or is tried
//! again, and as long as it has a dead letter. A copy of what is forgotten is a new event.

use careq_shared::entities::dead_letter;
use careq_shared::entities::event::{Column, Entity};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoSimpleExpr as _,
    QueryFilter as _, QuerySelect as _, QueryTrait as _,
};

use super::step::{Looked, Page, Rule};

/// See the module.
pub(super) struct Events;

/// The words of `Outcome` that are final: whatever a later version adds stays.
const FINAL: [&str; 4] = ["created", "updated", "unchanged", "failed"];

impl Rule for Events {
    const TABLE: &'static str = "events";

    async fn step(transaction: &DatabaseTransaction, page: &Page) -> Result<Looked, DbErr> {
        // Nothing was settled before it was accepted.
        let (ids, next) =
            page.ids::<_, String>(transaction, Entity::find(), Column::AcceptedAt, Column::EventId).await?;
        if ids.is_empty() {
            return Ok(Looked { forgotten: 0, with: 0, next });
        }
        let due = Entity::find()
            .select_only()
            .column(Column::EventId)
            .filter(Column::EventId.is_in(ids))
            .filter(is_due(page.before))
            // A copy of it may just be at work.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_query();
        let deleted =
            Entity::delete_many().filter(Column::EventId.in_subquery(due)).exec(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with: 0, next })
    }
}

fn is_due(before: DateTime<Utc>) -> Condition {
    let letter = Query::select()
        .expr(Expr::val(1))
        .from(dead_letter::Entity)
        .and_where(dead_letter::Column::EventId.into_simple_expr().eq(Column::EventId.into_simple_expr()))
        .to_owned();
    Condition::all()
        .add(Column::Outcome.is_in(FINAL))
        // Not when it was accepted, which the page has asked and which never changes: PostgreSQL might take the index of that, and read
        // all that is old to find five hundred of it.
        .add(Column::SettledAt.lt(before))
        .add(Column::RepeatedAt.is_null().or(Column::RepeatedAt.lt(before)))
        .add(Expr::exists(letter).not())
}
