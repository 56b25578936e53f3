//! The connection to the database, with the reason if it fails.

pub(crate) mod logging;
pub(crate) mod permissions;
pub(crate) mod server;
pub(crate) mod tables;
pub(crate) mod transactions;

use std::path::Path;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::{database, unreachable};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, QueryResult, RuntimeErr, Statement, sqlx};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use crate::report::{Finding, Reached};

/// The timeout of the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The consequence of an unreachable database.
const UNREACHABLE: &str =
    "webhooks are acknowledged, and nothing is stored; the examinations that need the database were skipped";

pub(crate) async fn reach(config: &Config) -> Reached<DatabaseConnection> {
    let url = config.database_url();
    if let Some(path) = url.expose_secret().strip_prefix("sqlite:") {
        let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
        if !Path::new(path).try_exists().unwrap_or(true) {
            let seen = format!("the first start creates the database {path}");
            return (vec![Finding::well("database.not_made_yet", seen)], None);
        }
    }
    let address = database::address(config);
    match timeout(CONNECT_TIMEOUT, database::connect_once(config)).await {
        Ok(Ok(database)) => {
            (vec![Finding::well("database.reached", format!("{address} accepts the login"))], Some(database))
        }
        Ok(Err(fault)) if address.starts_with("sqlite:") => (vec![file_unusable(&address, &fault)], None),
        Ok(Err(fault)) => (vec![refused(&address, &fault)], None),
        Err(_) => {
            let seen = format!("{address} does not answer within {} s", CONNECT_TIMEOUT.as_secs());
            let silent = Finding::error("database.silent", seen).means(UNREACHABLE).remedy(
                "check whether PostgreSQL hangs, or a firewall drops packets: the address accepts connections, and \
                 nothing answers",
            );
            (vec![silent], None)
        }
    }
}

/// The finding for an SQLite file that cannot be opened.
fn file_unusable(address: &str, fault: &DbErr) -> Finding {
    let seen = format!("{address} cannot be opened: {}", unreachable::database(fault));
    Finding::error("database.file_unusable", seen)
        .means("careq-sync does not start; the examinations that need the database were skipped")
        .remedy(
            "check the path in database.url (CAREQ_DATABASE_URL) or data.dir (CAREQ_DATA_DIR), whether the user of \
             careq-sync owns the file, and whether the file is an SQLite database",
        )
}

/// The finding for a failed login, by SQLSTATE (PostgreSQL manual, "PostgreSQL Error Codes"). The server's messages contain no password.
fn refused(address: &str, fault: &DbErr) -> Finding {
    let state = match fault {
        DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Database(said))) => said.code(),
        _ => None,
    };
    let reason = unreachable::database(fault);
    let (code, remedy) = match state.as_deref() {
        Some("28P01" | "28000") => (
            "database.login_refused",
            "check user and password in database.url (CAREQ_DATABASE_URL), and pg_hba.conf on the server",
        ),
        Some("3D000") => (
            "database.missing",
            "create the database with `createdb`, or name the right one in database.url (CAREQ_DATABASE_URL)",
        ),
        Some("53300") => (
            "database.full",
            "raise max_connections of PostgreSQL, or the CONNECTION LIMIT of role or database; or lower \
             database.max_connections of every process",
        ),
        Some("57P03") => (
            "database.starting",
            "wait until PostgreSQL has started or recovered; its log says how far it is, and what delays it",
        ),
        Some("42704") => (
            "database.setting_unknown",
            "upgrade PostgreSQL to 12 or newer, which has every setting of a session; or correct the options in database.url",
        ),
        Some("42501") => (
            "database.login_refused",
            "grant the role access: GRANT CONNECT ON DATABASE … TO the role; or remove an option from database.url \
             (CAREQ_DATABASE_URL) that the role may not set",
        ),
        _ if reason.contains("startup parameter") => (
            "database.startup_options_refused",
            "the address is a pooler such as pgbouncer: name PostgreSQL itself in database.url; or set \
             `ignore_startup_parameters = options` and `pool_mode = session` in pgbouncer.ini, and repeat: the \
             doctor then names what the role needs",
        ),
        Some(_) => (
            "database.refused",
            "the server's message says why; check database, user and options in database.url (CAREQ_DATABASE_URL)",
        ),
        None => (
            "database.unreachable",
            "check that the database runs, and check host and port in database.url (CAREQ_DATABASE_URL)",
        ),
    };
    Finding::error(code, format!("{address} cannot be used: {reason}")).means(UNREACHABLE).remedy(remedy)
}

/// The only row of a query.
pub(crate) async fn row(database: &DatabaseConnection, sql: &str) -> Result<QueryResult, DbErr> {
    let row = rows(database, sql).await?.pop();
    row.ok_or_else(|| DbErr::RecordNotFound("the query returned no row".to_owned()))
}

/// The rows of a query.
async fn rows(database: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    database.query_all(Statement::from_string(database.get_database_backend(), sql)).await
}
