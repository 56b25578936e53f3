//! The settings of a PostgreSQL session, and the rules for discarding it. sqlx keeps every session that answers, also
//! one that a failover has left read-only, or whose prepared statements no longer fit the tables.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::{PgConnection, PgPoolOptions};
use sea_orm::sqlx::{Executor as _, Row as _};

/// The timeout of the check when a session is returned to the pool.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of every session (PostgreSQL manual, "Client Connection Defaults").
pub const SESSION: [(&str, &str); 4] = [
    // A generic plan that was made for a small table scans the whole table forever. Measured: a lookup in a ledger of
    // 50,000 rows took 200 ms instead of 2.
    ("plan_cache_mode", "force_custom_plan"),
    // A worker that is disconnected in a transaction would keep its rows locked until TCP gives up.
    ("idle_in_transaction_session_timeout", "15s"),
    // A batch that waits for locked rows is halved, so that only the events of those rows wait.
    ("lock_timeout", "3s"),
    // A blocked statement, as in a trigger, ends before its client gives up. Otherwise it would keep its rows locked.
    ("statement_timeout", "12s"),
];

/// The time before which opened sessions are outdated.
static RENEWED_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Discards every open session of this process as soon as it is free. New sessions replace them.
pub(crate) fn renew() {
    *RENEWED_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

fn is_outdated(age: Duration) -> bool {
    let renewed_at = *RENEWED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    renewed_at.is_some_and(|renewed_at| renewed_at.elapsed() < age)
}

/// The pool's rules for its sessions.
pub(crate) fn rules(pool: PgPoolOptions) -> PgPoolOptions {
    // A dead connection shows at the next statement, which is retried. A check at each use would cost a round trip.
    pool.test_before_acquire(false)
        .before_acquire(|_, session| Box::pin(std::future::ready(Ok(!is_outdated(session.age)))))
        // sqlx itself would wait for a half-open connection, which keeps its slot in the pool. Its close has no
        // timeout but TCP's.
        .after_release(|connection, session| {
            Box::pin(async move { Ok(!is_outdated(session.age) && can_write(connection).await?) })
        })
}

/// Whether a session answers and may write.
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
