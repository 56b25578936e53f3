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
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, UpdateMany,
};
use uuid::Uuid;

use crate::context::{Context, Stopped};
use crate::db::attempt::retry_until_done;
use crate::fault::Fault;

/// Longer than a step and the pause after it.
const LEASE: Duration = Duration::from_secs(15);

/// A job that this worker has until its lease ends.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job_id: Uuid,
    lease_ends_at: DateTime<Utc>,
}

/// Claims a running job without a valid lease. Jobs that this worker runs are excluded: their leases may have ended during an outage of
/// the database.
pub(super) async fn any(context: &Context, own: &[Uuid]) -> Result<Option<Claim>, Stopped> {
    let free = || {
        let over = Column::LeaseEndsAt.is_null().or(Column::LeaseEndsAt.lt(clock::now()));
        let others = Column::Id.is_not_in(own.iter().copied());
        Condition::all().add(Column::State.eq(JobState::Running)).add(over).add(others)
    };
    loop {
        let found = retry_until_done(context, || async {
            let select = Entity::find().select_only().column(Column::Id).filter(free());
            let oldest =
                select.order_by_asc(Column::MadeAt).limit(1).into_tuple().one(&context.database).await;
            oldest.map_err(|error: DbErr| Fault::from(error))
        });
        let Some(job_id) = found.await? else { return Ok(None) };
        let lease_ends_at = lease();
        let claimed = retry_until_done(context, || async {
            let update =
                until(lease_ends_at).col_expr(Column::Worker, Expr::value(context.settings.name.as_str()));
            let claim = update.filter(Column::Id.eq(job_id)).filter(free()).exec(&context.database).await;
            claim.map_err(|error: DbErr| Fault::from(error))
        });
        if claimed.await?.rows_affected == 1 {
            return Ok(Some(Claim { job_id, lease_ends_at }));
        }
    }
}

impl Claim {
    /// Renews the lease; returns the job if it still runs and this worker still has it.
    pub(super) async fn renew(&mut self, context: &Context) -> Result<Option<Model>, Stopped> {
        let lease_ends_at = lease();
        let renewed = retry_until_done(context, || async {
            until(lease_ends_at)
                .filter(Column::Id.eq(self.job_id))
                .filter(Column::State.eq(JobState::Running))
                // The second value: an earlier try whose answer was lost.
                .filter(Column::LeaseEndsAt.is_in([self.lease_ends_at, lease_ends_at]))
                .exec(&context.database)
                .await?;
            let select = Entity::find_by_id(self.job_id).filter(Column::LeaseEndsAt.eq(lease_ends_at));
            select.one(&context.database).await.map_err(|error: DbErr| Fault::from(error))
        });
        let job = renewed.await?;
        // Without a renewal the previous lease is given back.
        if job.is_some() {
            self.lease_ends_at = lease_ends_at;
        }
        Ok(job)
    }

    /// Ends the lease, so that another worker can claim the job at once.
    pub(super) async fn give_back(self, context: &Context) {
        let given_back = Entity::update_many()
            .col_expr(Column::LeaseEndsAt, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::Id.eq(self.job_id))
            .filter(Column::LeaseEndsAt.eq(self.lease_ends_at));
        ignore(given_back.exec(&context.database).await, "the lease ends by itself");
    }
}

fn until(lease_ends_at: DateTime<Utc>) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::LeaseEndsAt, Expr::value(lease_ends_at))
}

/// End of a new lease, with a random part of microseconds: no other worker's lease ends at the same time.
fn lease() -> DateTime<Utc> {
    clock::whole_microseconds(clock::now() + LEASE + Duration::from_micros(rand::random_range(0..1_000_000)))
}
