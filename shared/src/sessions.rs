//! The sessions of a pool on PostgreSQL: what each is told, and when it is given up. One that a failover has left read-only, or whose
//! prepared statements no longer fit the tables, must never be used for long: sqlx itself keeps every session that answers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::{PgConnection, PgPoolOptions};
use sea_orm::sqlx::{Executor as _, Row as _};

/// How long a session may take to answer when it is given back.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// What every session of ours is told (PostgreSQL manual, "Client Connection Defaults").
pub const SESSION: [(&str, &str); 4] = [
    // A generic plan that was made while a table was small reads the whole table for ever after: measured, a ledger of
    // 50,000 rows was looked up in 200 ms instead of 2.
    ("plan_cache_mode", "force_custom_plan"),
    // A worker that is cut off in a transaction must not keep its rows locked: without this, until TCP gives up.
    ("idle_in_transaction_session_timeout", "15s"),
    // And whoever waits for such rows halves its batch, so that only the events of those rows wait.
    ("lock_timeout", "3s"),
    // A statement that stands still, as in a trigger, ends before its client gives up: otherwise it would keep its rows locked.
    ("statement_timeout", "12s"),
];

/// Sessions that were opened before this moment are not used again.
static RENEWED_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Gives up every session of this process that is open now, each when it is free; new ones take their places.
pub(crate) fn renew() {
    *RENEWED_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

fn is_outdated(age: Duration) -> bool {
    let renewed_at = *RENEWED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    renewed_at.is_some_and(|renewed_at| renewed_at.elapsed() < age)
}

/// The rules for the sessions of a pool.
pub(crate) fn rules(pool: PgPoolOptions) -> PgPoolOptions {
    // A dead connection shows itself at the next statement, which is retried; asking each time costs a round trip.
    pool.test_before_acquire(false)
        .before_acquire(|_, session| Box::pin(std::future::ready(Ok(!is_outdated(session.age)))))
        // sqlx itself would wait for the answer of a half-open connection, which keeps its place in the pool meanwhile. What
        // it then does to close it has no deadline but TCP's own.
        .after_release(|connection, session| {
            Box::pin(async move { Ok(!is_outdated(session.age) && can_write(connection).await?) })
        })
}

/// Whether a session still answers, and that it may write.
async fn can_write(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let asked = connection.fetch_one("SHOW transaction_read_only");
    match tokio::time::timeout(RELEASE_TIMEOUT, asked).await {
        Ok(answer) => Ok(answer?.try_get::<String, _>(0)? == "off"),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_older_than_the_renewal_is_outdated() {
        renew();
        std::thread::sleep(Duration::from_millis(2));
        assert!(is_outdated(Duration::from_secs(1)));
        assert!(!is_outdated(Duration::ZERO), "it was opened afterwards");
    }
}
