//! Settings of PostgreSQL that lose data or stop the processing: durability, encoding, write access, and session options, which a
//! connection pooler may discard.

use careq_shared::database::SESSION;
use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::report::Finding;

/// A value of a setting that is an error.
struct Rule {
    setting: &'static str,
    is_wrong: fn(&str) -> bool,
    code: &'static str,
    means: &'static str,
    /// With `{role}` and `{database}`.
    remedy: &'static str,
}

/// A worker acknowledges a message after the commit, so a lost transaction is a lost message (PostgreSQL manual, "Write Ahead Log").
const RULES: [Rule; 5] = [
    Rule {
        setting: "fsync",
        is_wrong: |value| value == "off",
        code: "durability.fsync_off",
        means: "a power cut can destroy the whole database",
        remedy: "set fsync = on in postgresql.conf, and `SELECT pg_reload_conf()`",
    },
    Rule {
        setting: "full_page_writes",
        is_wrong: |value| value == "off",
        code: "durability.full_page_writes_off",
        means: "a power cut can leave partially written pages, which cannot be repaired",
        remedy: "set full_page_writes = on in postgresql.conf, and `SELECT pg_reload_conf()`; it may be off only if \
                 the file system writes whole pages",
    },
    Rule {
        setting: "synchronous_commit",
        is_wrong: |value| value == "off",
        code: "durability.synchronous_commit_off",
        means: "a power cut loses the last transactions, whose messages are acknowledged and not delivered again",
        remedy: "set synchronous_commit = on in postgresql.conf, and remove overrides by ALTER ROLE or ALTER \
                 DATABASE (`\\drds` in psql)",
    },
    Rule {
        setting: "transaction_read_only",
        is_wrong: |value| value == "on",
        code: "server.read_only",
        means: "webhooks are acknowledged and wait in the broker, and nothing is stored",
        remedy: "if the server is a replica, name the primary in database.url (CAREQ_DATABASE_URL), or promote the \
                 replica with `SELECT pg_promote()`; otherwise ALTER ROLE \"{role}\" SET \
                 default_transaction_read_only = off, or the same for the database",
    },
    Rule {
        setting: "server_encoding",
        is_wrong: |value| value != "UTF8",
        code: "server.encoding_not_utf8",
        means: "a name with other characters cannot be stored: its events become dead letters",
        remedy: "create a database (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0), and move the rows of \
                 {database} there with pg_dump and pg_restore",
    },
];

pub(crate) async fn examine(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let found = row(database, "SELECT current_user::text AS role, current_database()::text AS name").await?;
    let (role, name): (String, String) = (found.try_get_by("role")?, found.try_get_by("name")?);
    let mut findings = Vec::new();
    for Rule { setting, is_wrong, code, means, remedy } in RULES {
        let value = current_setting(database, setting).await?;
        if is_wrong(&value) {
            let remedy = remedy.replace("{role}", &role).replace("{database}", &name);
            findings.push(Finding::error(code, format!("{setting} is {value}")).means(means).remedy(remedy));
        }
    }
    findings.extend(ignored_options(database, &role).await?);
    if findings.is_empty() {
        findings.push(Finding::well("server.well", "PostgreSQL keeps what is committed, in UTF-8"));
    }
    Ok(findings)
}

/// The options of the session that the server or a pooler did not apply.
async fn ignored_options(database: &DatabaseConnection, role: &str) -> Result<Option<Finding>, DbErr> {
    let (mut seen, mut remedies) = (Vec::new(), Vec::new());
    for (setting, wanted) in SESSION {
        let value = current_setting(database, setting).await?;
        if value != wanted {
            seen.push(format!("{setting} is {value}"));
            remedies.push(format!("ALTER ROLE \"{role}\" SET {setting} = '{wanted}';"));
        }
    }
    Ok((!seen.is_empty()).then(|| {
        Finding::error("session.options_ignored", seen.join(", "))
            .means("a connection pooler discards session options: a disconnected worker keeps its rows locked, and lookups may be slow")
            .remedy(remedies.join(" "))
    }))
}

async fn current_setting(database: &DatabaseConnection, name: &str) -> Result<String, DbErr> {
    row(database, &format!("SELECT current_setting('{name}') AS value")).await?.try_get_by("value")
}
