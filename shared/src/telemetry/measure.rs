//! Measurements that need queries, at an interval of their own. A scrape does not wait for the database or the
//! broker, and works without them. A value that cannot be measured is absent.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::prelude::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::metrics::{ByQueue, Connections, No, OfLetters, Replaying, Waits, metrics};
use crate::broker::{Broker, Queue, Ready};
use crate::clock;
use crate::database;
use crate::dead_letters::{Open, open};
use crate::entities::parked_event;
use crate::replay::{UnderWay, under_way};

/// The objects of measurement.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The database whose tables are measured.
    pub database: DatabaseConnection,
    /// The other pools of the process to the same database.
    pub besides: Vec<DatabaseConnection>,
    /// The broker; `None` for a console.
    pub broker: Option<Arc<dyn Broker>>,
}

impl Measured {
    /// Measures at an interval until the shutdown.
    pub async fn keep_measuring(self, every: Duration, shutdown: CancellationToken) {
        // Tables and queues are independent: a queue without a leader must not delay the tables.
        tokio::join!(repeat(every, &shutdown, || self.tables()), repeat(every, &shutdown, || self.queues()));
    }

    /// Records the values that need no query.
    pub fn at_once(&self) {
        if let Some(broker) = &self.broker {
            metrics().broker_up.get_or_create(&No {}).set(broker.is_connected().into());
        }
        let pools = std::iter::once(&self.database).chain(&self.besides).map(database::pool);
        let (most, open, idle) =
            pools.fold((0, 0, 0), |all, one| (all.0 + one.0, all.1 + one.1, all.2 + one.2));
        let connections = |state, count| {
            metrics().database_connections.get_or_create(&Connections { state }).set(count);
        };
        connections("idle", idle);
        connections("used", open - idle);
        metrics().max_database_connections.get_or_create(&No {}).set(most);
    }

    async fn tables(&self) {
        let database = &self.database;
        let measured = database::read(|| async {
            Ok((parked(database).await?, open(database).await?, under_way(database).await?))
        });
        let measured = measured.await;
        let metrics = metrics();
        metrics.database_up.get_or_create(&No {}).set(measured.is_ok().into());
        let Ok((parked, open, UnderWay { jobs, letters })) = measured else {
            metrics.forget_tables();
            return;
        };
        for (waiting_for, count, oldest) in parked {
            let age = oldest.map_or(Duration::ZERO, clock::since);
            metrics.parked_events.get_or_create(&Waits { waiting_for }).set(count);
            metrics.oldest_parked.get_or_create(&Waits { waiting_for }).set(age.as_secs_f64());
        }
        for Open { class, age, letters } in open {
            let label = OfLetters { class: class.as_str(), age: age.as_str() };
            metrics.dead_letters.get_or_create(&label).set(i64::try_from(letters).unwrap_or(i64::MAX));
        }
        for (state, count) in jobs {
            metrics.replay_jobs.get_or_create(&Replaying { state: state.as_str() }).set(count);
        }
        for (state, count) in letters {
            metrics.replay_letters.get_or_create(&Replaying { state: state.as_str() }).set(count);
        }
        metrics.measured("tables");
    }

    async fn queues(&self) {
        let Some(broker) = &self.broker else { return };
        let mut all = true;
        for queue in Queue::ALL {
            let label = ByQueue { queue: queue.as_str() };
            match broker.ready(queue).await {
                Ok(Ready { total, max }) => {
                    let [total, max] = [total, max].map(|ready| i64::try_from(ready).unwrap_or(i64::MAX));
                    metrics().queue_messages.get_or_create(&label).set(total);
                    metrics().max_partition_messages.get_or_create(&label).set(max);
                }
                Err(reason) => {
                    tracing::debug!(queue = queue.as_str(), reason, "a queue cannot be counted");
                    metrics().queue_messages.remove(&label);
                    metrics().max_partition_messages.remove(&label);
                    all = false;
                }
            }
        }
        if all {
            metrics().measured("queues");
        }
    }
}

async fn repeat<F: Future<Output = ()>>(
    every: Duration,
    shutdown: &CancellationToken,
    measure: impl Fn() -> F,
) {
    let mut rounds = interval(every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(rounds.tick()).await.is_some() {
        measure().await;
    }
}

/// The reason, the number of events, and the oldest one's time.
type Parked = (&'static str, i64, Option<DateTime<Utc>>);

/// Counts parked events by reason; both reasons are listed even without events. The query is served by an index, as
/// long as no other column is read.
async fn parked(database: &DatabaseConnection) -> Result<[Parked; 2], DbErr> {
    use parked_event::Column::{ParkedAt, WaitingKind};
    let rows: Vec<(bool, i64, Option<DateTime<Utc>>)> = parked_event::Entity::find()
        .select_only()
        .column_as(WaitingKind.is_not_null(), "for_parent")
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(ParkedAt.min(), "oldest")
        .group_by(WaitingKind.is_not_null())
        .into_tuple()
        .all(database)
        .await?;
    let waiting = |waiting_for, wanted| {
        let row = rows.iter().find(|(for_parent, ..)| *for_parent == wanted);
        row.map_or((waiting_for, 0, None), |(_, count, oldest)| (waiting_for, *count, *oldest))
    };
    Ok([waiting("parent", true), waiting("attempt", false)])
}
