//! The server: version, encoding, and whether it is writable.

use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::finding::{Finding, or_query_failed};

/// The first version with `plan_cache_mode`, which every session sets.
const MIN_VERSION: i32 = 12;

/// The version that the tests run on.
const TESTED_VERSION: i32 = 15;

const LOOK: &str = "SELECT current_setting('server_version_num')::int / 10000 AS major,
    current_setting('server_version') AS version,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS is_in_recovery,
    current_setting('default_transaction_read_only') AS is_read_only,
    current_database() AS database, current_user::text AS role";

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let found = row(database, LOOK).await?;
    let text = |name: &str| found.try_get_by::<String, _>(name);
    let (database, role) = (text("database")?, text("role")?);
    Ok(vec![
        version(found.try_get_by("major")?, &text("version")?),
        writable(found.try_get_by("is_in_recovery")?, text("is_read_only")? == "on", &role),
        encoding(&text("encoding")?, &database),
    ])
}

fn version(major: i32, version: &str) -> Finding {
    let seen = format!("it is PostgreSQL {version}");
    match major {
        ..MIN_VERSION => Finding::error("server.too_old", seen)
            .means("statements of careq-sync fail on it")
            .remedy(format!("upgrade PostgreSQL to {TESTED_VERSION} or newer")),
        MIN_VERSION..TESTED_VERSION => Finding::warning("server.untested", seen)
            .means(format!("the tests of careq-sync run on {TESTED_VERSION}"))
            .remedy(format!("upgrade PostgreSQL to {TESTED_VERSION} or newer")),
        TESTED_VERSION.. => Finding::well("server.version", seen),
    }
}

fn writable(is_in_recovery: bool, is_read_only: bool, role: &str) -> Finding {
    if is_in_recovery {
        return Finding::error(
            "server.in_recovery",
            "it is a replica, or is still recovering: it is read-only",
        )
        .means("webhooks are acknowledged and wait in the broker, and nothing is stored")
        .remedy(
            "name the primary in database.url (CAREQ_DATABASE_URL); where this one is to take over, `SELECT \
             pg_promote()` makes it the primary",
        );
    }
    if is_read_only {
        return Finding::error("server.read_only", "default_transaction_read_only is on for this session")
            .means("webhooks are acknowledged and wait in the broker, and nothing is stored")
            .remedy(format!(
                "ALTER ROLE \"{role}\" SET default_transaction_read_only = off; or the same for the database"
            ));
    }
    Finding::well("server.writable", "it can be written to")
}

fn encoding(encoding: &str, database: &str) -> Finding {
    let seen = format!("the database's encoding is {encoding}");
    if encoding == "UTF8" {
        return Finding::well("server.encoding", seen);
    }
    Finding::error("server.encoding_not_utf8", seen)
        .means("a name that this encoding lacks cannot be stored, or is not what CareQ has sent: its events \
                become dead letters")
        .remedy(format!(
            "make a new database (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0), and bring the rows of \
             {database} there with pg_dump and pg_restore"
        ))
}
