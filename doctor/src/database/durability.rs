//! Whether committed transactions survive a power cut (PostgreSQL manual, "Write Ahead Log"). A worker acknowledges a message after the
//! commit, so a lost transaction is a lost message.

use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::finding::{Finding, or_query_failed};

/// Setting, code if it is off, consequence, remedy.
const SETTINGS: [(&str, &str, &str, &str); 3] = [
    (
        "fsync",
        "durability.fsync_off",
        "a power cut can destroy the whole database",
        "set fsync = on in postgresql.conf, and `SELECT pg_reload_conf()`",
    ),
    (
        "full_page_writes",
        "durability.full_page_writes_off",
        "a power cut can leave pages half written, which nothing repairs",
        "set full_page_writes = on in postgresql.conf, and `SELECT pg_reload_conf()`; it may be off only \
         where the file system writes whole pages",
    ),
    (
        "synchronous_commit",
        "durability.synchronous_commit_off",
        "a power cut loses the last transactions, whose messages have been acknowledged and will not come \
         again",
        "set synchronous_commit = on in postgresql.conf, and take away what ALTER ROLE or ALTER DATABASE \
         sets instead (`\\drds` in psql)",
    ),
];

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let mut findings = Vec::new();
    for (setting, code, means, remedy) in SETTINGS {
        let found = row(database, &format!("SELECT current_setting('{setting}') AS value")).await?;
        if found.try_get_by::<String, _>("value")? == "off" {
            findings.push(Finding::error(code, format!("{setting} is off")).means(means).remedy(remedy));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::well("durability.well", "what is committed survives a power cut"));
    }
    Ok(findings)
}
