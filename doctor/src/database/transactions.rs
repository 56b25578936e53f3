//! Transactions that were left open. Their rows stay locked, and VACUUM cannot remove dead rows. Their statements are not shown.

use sea_orm::{DatabaseConnection, DbErr, QueryResult};

use super::rows;
use crate::report::Finding;

/// The five oldest open transactions of this database: prepared and idle ones after a minute, others after a day. Prepared transactions
/// outlive their session, and even the server (PostgreSQL manual, "PREPARE TRANSACTION").
const OPEN: &str = "SELECT *, extract(epoch FROM now() - begun_at)::bigint AS open_s FROM (
        SELECT format('the transaction of session %s of the role %s', pid, usename) AS holder, xact_start AS begun_at,
            format('find its client; SELECT pg_terminate_backend(%s) ends it', pid) AS remedy
        FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
            AND (state LIKE 'idle in transaction%' AND state_change < now() - interval '1 minute'
                OR xact_start < now() - interval '1 day')
        UNION ALL
        SELECT format('the prepared transaction %L of the role %s', gid, owner), prepared,
            format('ask the program that prepared it; ROLLBACK PREPARED %L discards it, COMMIT PREPARED keeps it', gid)
        FROM pg_prepared_xacts WHERE database = current_database() AND prepared < now() - interval '1 minute'
    ) AS opened ORDER BY begun_at LIMIT 5";

pub(crate) async fn examine(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let open = rows(database, OPEN).await?;
    if open.is_empty() {
        // PostgreSQL hides the state of other roles' sessions from a role without this privilege.
        let seen =
            "no transaction is left open; sessions of other roles are seen only with pg_read_all_stats";
        return Ok(vec![Finding::well("transactions.well", seen)]);
    }
    open.iter().map(finding).collect()
}

fn finding(open: &QueryResult) -> Result<Finding, DbErr> {
    let (holder, remedy): (String, String) = (open.try_get_by("holder")?, open.try_get_by("remedy")?);
    let open_s: i64 = open.try_get_by("open_s")?;
    Ok(Finding::warning("transactions.left_open", format!("{holder} has been open for {open_s} s"))
        .means(
            "events whose rows it has locked wait, and VACUUM removes no row that was deleted since, so that tables grow; \
             careq-sync's own transactions end when they are idle for 15 s",
        )
        .remedy(remedy))
}
