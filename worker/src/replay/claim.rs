//! The lease of a job, renewed before each step. The lease of a dead worker ends by itself. Two workers with the same job do no harm: a
//! duplicate changes nothing.

use std::time::Duration;

use careq_shared::clock;
use careq_shared::entities::replay_job::{Column, Entity, Model};
use careq_shared::ignore;
use careq_shared::replay::JobState;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::context::{Context, Stopped};
use crate::db::retries::retry_until_done;

/// Longer than a step and the pause after it.
const LEASE: Duration = Duration::from_secs(15);

/// Claims a running job without a valid lease; returns its id. Jobs that this worker runs are excluded: their leases may have ended during
/// an outage of the database.
pub(super) async fn any(context: &Context, own: &[Uuid]) -> Result<Option<Uuid>, Stopped> {
    let worker = context.settings.name.as_str();
    let free = || {
        let is_free = Column::LeaseEndsAt.is_null().or(Column::LeaseEndsAt.lt(clock::now()));
        let is_another = Column::Id.is_not_in(own.iter().copied());
        Condition::all().add(Column::State.eq(JobState::Running)).add(is_free).add(is_another)
    };
    let oldest = || {
        Entity::find().select_only().column(Column::Id).filter(free()).order_by_asc(Column::MadeAt).limit(1)
    };
    loop {
        let found = retry_until_done(context, || oldest().into_tuple::<Uuid>().one(&context.database));
        let Some(job_id) = found.await? else { return Ok(None) };
        let claim = || {
            let claim = Entity::update_many().filter(Column::Id.eq(job_id)).filter(free());
            claim
                .col_expr(Column::Worker, Expr::value(worker))
                .col_expr(Column::LeaseEndsAt, Expr::value(lease()))
        };
        if retry_until_done(context, || claim().exec(&context.database)).await?.rows_affected == 1 {
            return Ok(Some(job_id));
        }
    }
}

/// Renews the lease; returns the job if it still runs and this worker still has it.
pub(super) async fn renew(context: &Context, job_id: Uuid) -> Result<Option<Model>, Stopped> {
    let ours = || held_by(context, job_id).add(Column::State.eq(JobState::Running));
    retry_until_done(context, || async {
        let renewed =
            Entity::update_many().col_expr(Column::LeaseEndsAt, Expr::value(lease())).filter(ours());
        renewed.exec(&context.database).await?;
        Entity::find().filter(ours()).one(&context.database).await
    })
    .await
}

/// Ends the lease, so that another worker can claim the job at once.
pub(super) async fn give_back(context: &Context, job_id: Uuid) {
    let given_back = Entity::update_many()
        .col_expr(Column::LeaseEndsAt, Expr::value(Option::<DateTime<Utc>>::None))
        .filter(held_by(context, job_id));
    ignore(given_back.exec(&context.database).await, "the lease ends by itself");
}

fn held_by(context: &Context, job_id: Uuid) -> Condition {
    Condition::all().add(Column::Id.eq(job_id)).add(Column::Worker.eq(context.settings.name.as_str()))
}

/// End of a new lease.
fn lease() -> DateTime<Utc> {
    clock::whole_microseconds(clock::now() + LEASE)
}
