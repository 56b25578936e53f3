//! The free connections of PostgreSQL, compared with those that another process of careq-sync may open.

use careq_shared::config::Config;
use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::finding::{Finding, or_query_failed};

/// The total and free connections: the minimum of the limits of server, database and role.
const LOOK: &str = "SELECT least(server_most, database_most, role_most)::bigint AS most,
    least(server_most - used, database_most - of_database, role_most - of_role)::bigint AS free
    FROM (SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0) AS server_most,
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_most,
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role_most,
        count(*) AS used,
        count(*) FILTER (WHERE datname = current_database()) AS of_database,
        count(*) FILTER (WHERE usename = current_user) AS of_role
      FROM pg_stat_activity WHERE backend_type = 'client backend' OR backend_type IS NULL) AS counted";

pub(crate) async fn examine(database: &DatabaseConnection, config: &Config) -> Vec<Finding> {
    or_query_failed(look(database, config).await)
}

async fn look(database: &DatabaseConnection, config: &Config) -> Result<Vec<Finding>, DbErr> {
    let found = row(database, LOOK).await?;
    let (most, free): (i64, i64) = (found.try_get_by("most")?, found.try_get_by("free")?);
    let own = i64::from(config.database.max_connections);
    let seen = format!("{free} of {most} connections are free, and a process of ours opens up to {own}");
    let remedy = "raise max_connections of PostgreSQL (or the CONNECTION LIMIT of role or database), or lower \
                  database.max_connections";
    Ok(vec![if most < own {
        Finding::error("connections.too_few", seen)
            .means(
                "not even one process has the connections that its settings promise: its transactions wait for \
                 one another, or fail",
            )
            .remedy(remedy)
    } else if free < own {
        Finding::warning("connections.few", seen)
            .means("one more process, or a burst, may find no connection: its events wait")
            .remedy(remedy)
    } else {
        Finding::well("connections.well", seen)
    }])
}
