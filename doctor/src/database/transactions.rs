//! Sessions idle in a transaction. Their rows stay locked, and VACUUM cannot remove dead rows. Their statements are not shown.

use sea_orm::{DatabaseConnection, DbErr, QueryResult};

use super::{row, rows};
use crate::finding::{Finding, or_query_failed};

const IDLE: &str = "SELECT pid, usename::text AS role, extract(epoch FROM now() - state_change)::bigint AS idle_s
    FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND state_change < now() - interval '60 seconds'
    ORDER BY idle_s DESC LIMIT 5";

/// Sessions of other roles, whose state only members of `pg_read_all_stats` see.
const HIDDEN: &str = "SELECT count(*) AS hidden FROM pg_stat_activity
    WHERE datname = current_database() AND query = '<insufficient privilege>'";

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let idle = rows(database, IDLE).await?;
    let hidden: i64 = row(database, HIDDEN).await?.try_get_by("hidden")?;
    if idle.is_empty() {
        let hidden_note = match hidden {
            0 => String::new(),
            hidden => format!(
                "; {hidden} sessions of other roles do not show theirs (GRANT pg_read_all_stats would)"
            ),
        };
        return Ok(vec![Finding::well("transactions.well", format!("no transaction is idle{hidden_note}"))]);
    }
    idle.iter().map(finding).collect()
}

fn finding(session: &QueryResult) -> Result<Finding, DbErr> {
    let (pid, idle_s): (i32, i64) = (session.try_get_by("pid")?, session.try_get_by("idle_s")?);
    let role: String = session.try_get_by("role")?;
    let seen = format!("session {pid} of the role {role} has been idle in a transaction for {idle_s} s");
    Ok(Finding::warning("transactions.forgotten", seen)
        .means("events whose rows it has locked wait, and tables grow; it is none of careq-sync's, whose sessions \
                end after 15 s")
        .remedy(format!("find its client; SELECT pg_terminate_backend({pid}) ends it")))
}
