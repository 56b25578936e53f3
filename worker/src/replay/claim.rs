//! Who carries out a job: a lease, renewed before each step. A worker that died loses it by waiting. Two workers that both believe to
//! have it do no harm, since a copy changes nothing; but it must not be the rule.

use std::time::Duration;

use careq_shared::clock;
use careq_shared::entities::replay_job::{Column, Entity, Model};
use careq_shared::replay::JobState;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, UpdateMany,
};
use uuid::Uuid;

use super::patiently;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};

/// Longer than a step takes, and the wait behind it.
const LEASE: Duration = Duration::from_secs(15);

/// A job that is this worker's until its lease ends.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job_id: Uuid,
    lease_ends_at: DateTime<Utc>,
}

/// A running job that nobody has, if there is one; none of those that this worker carries out, whose leases may be over
/// because the database was away.
pub(super) async fn any(lane: &Lane, carried_out: &[Uuid]) -> Result<Option<Claim>, Stopped> {
    let free = || {
        let over = Column::LeaseEndsAt.is_null().or(Column::LeaseEndsAt.lt(clock::now()));
        let others = Column::Id.is_not_in(carried_out.iter().copied());
        Condition::all().add(Column::State.eq(JobState::Running)).add(over).add(others)
    };
    loop {
        let found = patiently(lane, || async {
            let select = Entity::find().select_only().column(Column::Id).filter(free());
            let oldest = select.order_by_asc(Column::MadeAt).limit(1).into_tuple().one(&lane.database).await;
            oldest.map_err(|error: DbErr| Fault::from(error))
        });
        let Some(job_id) = found.await? else { return Ok(None) };
        let lease_ends_at = lease();
        let claimed = patiently(lane, || async {
            let update =
                until(lease_ends_at).col_expr(Column::Worker, Expr::value(lane.settings.name.as_str()));
            let claim = update.filter(Column::Id.eq(job_id)).filter(free()).exec(&lane.database).await;
            claim.map_err(|error: DbErr| Fault::from(error))
        });
        if claimed.await?.rows_affected == 1 {
            return Ok(Some(Claim { job_id, lease_ends_at }));
        }
    }
}

impl Claim {
    /// The job, if it still runs and is still this worker's.
    pub(super) async fn renew(&mut self, lane: &Lane) -> Result<Option<Model>, Stopped> {
        let lease_ends_at = lease();
        let renewed = patiently(lane, || async {
            until(lease_ends_at)
                .filter(Column::Id.eq(self.job_id))
                .filter(Column::State.eq(JobState::Running))
                // Should the answer to an earlier try have been lost.
                .filter(Column::LeaseEndsAt.is_in([self.lease_ends_at, lease_ends_at]))
                .exec(&lane.database)
                .await?;
            let select = Entity::find_by_id(self.job_id).filter(Column::LeaseEndsAt.eq(lease_ends_at));
            select.one(&lane.database).await.map_err(|error: DbErr| Fault::from(error))
        });
        let job = renewed.await?;
        // Otherwise the lease before this one is still there, to be given back.
        if job.is_some() {
            self.lease_ends_at = lease_ends_at;
        }
        Ok(job)
    }

    /// Lets another worker have it at once. Should that fail, it has it when the lease is over.
    pub(super) async fn give_back(self, lane: &Lane) {
        let given_back = Entity::update_many()
            .col_expr(Column::LeaseEndsAt, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::Id.eq(self.job_id))
            .filter(Column::LeaseEndsAt.eq(self.lease_ends_at));
        given_back.exec(&lane.database).await.map(drop).unwrap_or_default();
    }
}

fn until(lease_ends_at: DateTime<Utc>) -> UpdateMany<Entity> {
    Entity::update_many().col_expr(Column::LeaseEndsAt, Expr::value(lease_ends_at))
}

/// With a random part, to the microsecond: nobody else's lease ends then.
fn lease() -> DateTime<Utc> {
    clock::whole_microseconds(clock::now() + LEASE + Duration::from_micros(rand::random_range(0..1_000_000)))
}
