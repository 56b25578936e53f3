//! The database's clock, which all workers share: a worker whose own clock is ahead neither deletes recent rows nor keeps the lease.

use std::time::{Duration, Instant};

use careq_shared::clock::{self, whole_microseconds};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

/// A reading, advanced by this machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at: DateTime<Utc>,
    read_at: Instant,
}

impl Clock {
    /// Reads the clock.
    pub(super) async fn read(database: &DatabaseConnection) -> Result<Self, DbErr> {
        let backend = database.get_database_backend();
        if backend == DbBackend::Sqlite {
            // SQLite has this machine's clock.
            return Ok(Self { at: clock::now(), read_at: Instant::now() });
        }
        let now = database.query_one(Statement::from_string(backend, "SELECT now()")).await?;
        let now = now.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?;
        Ok(Self { at: now.try_get_by(0)?, read_at: Instant::now() })
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        whole_microseconds(self.at + self.read_at.elapsed())
    }

    /// That long from now, less up to 10 ms at random, so that no two moments are equal.
    pub(super) fn in_some(&self, duration: Duration) -> DateTime<Utc> {
        let random_part = Duration::from_micros(rand::random_range(0..10_000));
        whole_microseconds(self.now() + duration - random_part)
    }
}
