//! Retention of dead letters and their attempts, counted from the resolution, discard or replacement. A dead letter is kept while an
//! unfinished replay job refers to it, and while its correction is open or being replayed.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::entities::{dead_letter_attempt, replay_job_letter};
use careq_shared::replay::JobLetterState;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, IntoSimpleExpr as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::step::{Looked, MAX_ROWS, Next, Page, Rule};

/// See the module documentation.
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
        let next = if (attempts.len() as u64) < MAX_ROWS { next } else { Next::Same };
        let (letters, attempts) = whole(due, attempts);
        let with = delete_attempts(transaction, attempts).await?;
        let deleted = Entity::delete_many().filter(Column::Id.is_in(letters)).exec(transaction).await?;
        Ok(Looked { forgotten: deleted.rows_affected, with, next })
    }
}

/// Id of an attempt and of its dead letter.
type Attempt = (Uuid, Uuid);

/// The dead letters whose attempts are complete, and these attempts: a dead letter is deleted together with its history, since a person
/// can open it again until then. For a dead letter with more attempts than a step deletes, only attempts.
fn whole(mut letters: Vec<Uuid>, mut attempts: Vec<Attempt>) -> (Vec<Uuid>, Vec<Attempt>) {
    let Some((_, last)) = attempts.last().copied().filter(|_| attempts.len() as u64 >= MAX_ROWS) else {
        return (letters, attempts);
    };
    letters.retain(|letter| *letter < last);
    if attempts.iter().any(|(_, letter)| *letter < last) {
        attempts.retain(|(_, letter)| *letter < last);
    }
    (letters, attempts)
}

fn is_settled() -> Condition {
    let settled = [DeadLetterState::Resolved, DeadLetterState::Discarded, DeadLetterState::Superseded];
    Condition::all().add(Column::State.is_in(settled))
}

/// Those of the dead letters that can be deleted, locked against a person or an event that would open them again.
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
    let undecided = [DeadLetterState::Open, DeadLetterState::Replaying];
    let open = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, correction.clone())
        .and_where(of(Column::OriginalId).eq(Column::Id.into_simple_expr()))
        .and_where(of(Column::State).is_in(undecided))
        .to_owned();
    Condition::all().add(Expr::exists(open))
}

/// Attempts of these dead letters, at most [`MAX_ROWS`].
async fn attempts(transaction: &DatabaseTransaction, letters: &[Uuid]) -> Result<Vec<Attempt>, DbErr> {
    use dead_letter_attempt::Column::{Id, LetterId};
    let select = dead_letter_attempt::Entity::find().select_only().columns([Id, LetterId]);
    let of_letters = select.filter(LetterId.is_in(letters.iter().copied()));
    of_letters.order_by_asc(LetterId).limit(MAX_ROWS).into_tuple().all(transaction).await
}

/// Deletes attempts; returns how many.
async fn delete_attempts(transaction: &DatabaseTransaction, attempts: Vec<Attempt>) -> Result<u64, DbErr> {
    let ids = attempts.into_iter().map(|(id, _)| id);
    let these = dead_letter_attempt::Entity::delete_many().filter(dead_letter_attempt::Column::Id.is_in(ids));
    Ok(these.exec(transaction).await?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many letters with so many attempts each, as a step would see them.
    fn seen(letters: u128, each: usize) -> (Vec<Uuid>, Vec<Attempt>) {
        let letters: Vec<_> = (1..=letters).map(Uuid::from_u128).collect();
        let attempts = letters.iter().flat_map(|letter| std::iter::repeat_n((Uuid::nil(), *letter), each));
        let attempts = attempts.take(usize::try_from(MAX_ROWS).unwrap()).collect();
        (letters, attempts)
    }

    #[test]
    fn a_letter_keeps_its_history_until_it_goes() {
        for (letters, each, gone, with) in
            [(500, 0, 500, 0), (10, 3, 10, 30), (500, 1, 499, 499), (500, 3, 166, 498), (2, 700, 0, 500)]
        {
            let (all, attempts) = seen(letters, each);
            let (whole, attempts) = whole(all, attempts);
            assert_eq!((whole.len(), attempts.len()), (gone, with), "{letters} with {each}");
        }
    }
}
