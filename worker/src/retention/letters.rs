//! Dead letters, with their attempts: one is forgotten when it was resolved, discarded or superseded so long ago. It stays as long as it
//! has a place in a replay job that is not over, and as long as the letter that corrects it is open or under way.

use careq_shared::dead_letters::LetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::entities::{dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoSimpleExpr as _,
    QueryFilter as _, QuerySelect as _,
};
use uuid::Uuid;

use super::step::{Looked, MOST_ROWS, Next, Page, Rule};

/// See the module.
pub(super) struct Letters;

impl Rule for Letters {
    const TABLE: &'static str = "dead_letters";
    const WITH: Option<&'static str> = Some("dead_letter_attempts");

    async fn step(transaction: &DatabaseTransaction, page: &Page) -> Result<Looked, DbErr> {
        let (ids, next) = page.ids(transaction, Entity::find(), Column::SettledAt, Column::Id).await?;
        let due = due(transaction, ids, page.before).await?;
        if due.is_empty() {
            return Ok(Looked { forgotten: 0, with: 0, next });
        }
        let attempts = attempts(transaction, &due).await?;
        if attempts >= MOST_ROWS {
            return Ok(Looked { forgotten: 0, with: attempts, next: Next::Same });
        }
        let deleted = Entity::delete_many().filter(Column::Id.is_in(due)).exec(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with: attempts, next })
    }
}

fn is_settled() -> Condition {
    let settled = [LetterState::Resolved, LetterState::Discarded, LetterState::Superseded];
    Condition::all().add(Column::State.is_in(settled))
}

/// Which of these may go, locked against a person or an event that would open them again.
async fn due(
    transaction: &DatabaseTransaction,
    ids: Vec<Uuid>,
    before: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbErr> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let select = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids))
        .filter(is_settled())
        .filter(Column::SettledAt.lt(before))
        .filter(has_a_place_in_a_job().not())
        .filter(is_being_corrected().not())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    select.into_tuple().all(transaction).await
}

fn has_a_place_in_a_job() -> Condition {
    use replay_job_letter::Column::{LetterId, State};
    let place = Query::select()
        .expr(Expr::val(1))
        .from(replay_job_letter::Entity)
        .and_where(LetterId.into_simple_expr().eq(Column::Id.into_simple_expr()))
        .and_where(State.is_in(JobLetterState::UNDER_WAY))
        .to_owned();
    Condition::all().add(Expr::exists(place))
}

fn is_being_corrected() -> Condition {
    let correction = Alias::new("correction");
    let of = |column: Column| Expr::col((correction.clone(), column));
    let undecided = [LetterState::Open, LetterState::Replaying];
    let open = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, correction.clone())
        .and_where(of(Column::OriginalId).eq(Column::Id.into_simple_expr()))
        .and_where(of(Column::State).is_in(undecided))
        .to_owned();
    Condition::all().add(Expr::exists(open))
}

/// Deletes attempts of these letters, at most as many as a step may; how many.
async fn attempts(transaction: &DatabaseTransaction, letters: &[Uuid]) -> Result<u64, DbErr> {
    use dead_letter_attempt::Column::{Id, LetterId};
    let select = dead_letter_attempt::Entity::find().select_only().column(Id);
    let of_letters = select.filter(LetterId.is_in(letters.iter().copied())).limit(MOST_ROWS);
    let ids: Vec<Uuid> = of_letters.into_tuple().all(transaction).await?;
    let deleted = dead_letter_attempt::Entity::delete_many().filter(Id.is_in(ids)).exec(transaction).await?;
    Ok(deleted.rows_affected)
}
