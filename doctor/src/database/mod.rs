//! The connection to the database, with the reason if it fails.

pub(crate) mod connections;
pub(crate) mod durability;
pub(crate) mod file;
pub(crate) mod logging;
pub(crate) mod permissions;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod tables;
pub(crate) mod transactions;

use std::path::Path;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::{database, unreachable};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, QueryResult, RuntimeErr, Statement, sqlx};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use crate::finding::Finding;
use crate::report::Reached;

/// The timeout of the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The consequence of an unreachable database.
const UNREACHABLE: &str = "webhooks are still acknowledged, but nothing is stored; the examinations that need the database \
                       were skipped";

pub(crate) async fn reach(config: &Config) -> Reached<DatabaseConnection> {
    let url = config.database_url();
    if let Some(path) = url.expose_secret().strip_prefix("sqlite:") {
        let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
        if !Path::new(path).exists() {
            let seen = format!("the first start makes the database {path}");
            return (vec![Finding::well("database.not_made_yet", seen)], None);
        }
    }
    let address = database::address(config);
    match timeout(CONNECT_TIMEOUT, database::attempt(config)).await {
        Ok(Ok(database)) => {
            (vec![Finding::well("database.reached", format!("{address} accepts the login"))], Some(database))
        }
        Ok(Err(fault)) => (vec![refused(&address, &fault)], None),
        Err(_) => (vec![silent(&address)], None),
    }
}

fn silent(address: &str) -> Finding {
    let seen = format!("{address} does not answer within {} s", CONNECT_TIMEOUT.as_secs());
    Finding::error("database.silent", seen).means(UNREACHABLE).remedy(
        "check whether PostgreSQL hangs, or a firewall swallows the packets: connections are accepted there, but \
         nothing responds",
    )
}

/// The finding for a refused login, by SQLSTATE (PostgreSQL manual, "PostgreSQL Error Codes"). The server's messages contain no password.
fn refused(address: &str, fault: &DbErr) -> Finding {
    let (state, words) = state_and_message(fault);
    let (code, remedy) = match state.as_deref() {
        Some("28P01" | "28000") => (
            "database.login_refused",
            "check user and password in database.url (CAREQ_DATABASE_URL), and pg_hba.conf on the server",
        ),
        Some("3D000") => (
            "database.missing",
            "make the database, or name the right one in database.url (CAREQ_DATABASE_URL)",
        ),
        Some("53300") => (
            "database.full",
            "raise max_connections of PostgreSQL or the role's CONNECTION LIMIT, or lower \
             database.max_connections",
        ),
        Some("57P03") => (
            "database.starting",
            "wait until PostgreSQL has started or recovered; its log tells how far it is",
        ),
        _ if words.contains("startup parameter") => (
            "database.startup_options_refused",
            "a pooler such as pgbouncer stands in between: name PostgreSQL itself in database.url; or set \
             `ignore_startup_parameters = options` and `pool_mode = session` in pgbouncer.ini, and run this \
             again, which then says what the role needs",
        ),
        _ => (
            "database.unreachable",
            "check that the database runs and that database.url (CAREQ_DATABASE_URL) names its host and port",
        ),
    };
    Finding::error(code, format!("{address} cannot be used: {words}")).means(UNREACHABLE).remedy(remedy)
}

fn state_and_message(fault: &DbErr) -> (Option<String>, String) {
    let state = match fault {
        DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Database(error))) => error.code().map(Into::into),
        _ => None,
    };
    (state, unreachable::database(fault))
}

/// The only row of a query.
pub(crate) async fn row(database: &DatabaseConnection, sql: &str) -> Result<QueryResult, DbErr> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("it answers with no row".to_owned()))
}

/// The rows of a query.
pub(crate) async fn rows(database: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    database.query_all(Statement::from_string(database.get_database_backend(), sql)).await
}
