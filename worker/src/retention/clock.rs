//! The database's clock, which all workers share. A worker whose own runs ahead must neither forget what is young nor keep the lease for
//! years.

use std::time::{Duration, Instant};

use careq_shared::clock::{self, whole_microseconds};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

/// As it was read, and carried on from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    at: DateTime<Utc>,
    read_at: Instant,
}

impl Clock {
    /// Reads it.
    pub(super) async fn read(database: &DatabaseConnection) -> Result<Self, DbErr> {
        let backend = database.get_database_backend();
        if backend == DbBackend::Sqlite {
            // It has none but this machine's.
            return Ok(Self { at: clock::now(), read_at: Instant::now() });
        }
        let now = database.query_one(Statement::from_string(backend, "SELECT now()")).await?;
        let now = now.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?;
        Ok(Self { at: now.try_get_by(0)?, read_at: Instant::now() })
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        whole_microseconds(self.at + self.read_at.elapsed())
    }

    /// So long from now; up to a hundredth of a second less, so that no two moments are the same.
    pub(super) fn in_some(&self, duration: Duration) -> DateTime<Utc> {
        let random_part = Duration::from_micros(rand::random_range(0..10_000));
        whole_microseconds(self.now() + duration - random_part)
    }
}
