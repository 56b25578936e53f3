//! The connection to the database, with the reason if it fails.

pub(crate) mod logging;
pub(crate) mod permissions;
pub(crate) mod server;
pub(crate) mod tables;

use std::path::Path;
use std::time::Duration;

use careq_shared::config::Config;
use careq_shared::{database, unreachable};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, QueryResult, Statement};
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
        if !Path::new(path).exists() {
            let seen = format!("the first start creates the database {path}");
            return (vec![Finding::well("database.not_made_yet", seen)], None);
        }
    }
    let address = database::address(config);
    match timeout(CONNECT_TIMEOUT, database::connect_once(config)).await {
        Ok(Ok(database)) => {
            (vec![Finding::well("database.reached", format!("{address} accepts the login"))], Some(database))
        }
        Ok(Err(fault)) => (vec![refused(&address, &unreachable::database(&fault))], None),
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

/// The finding for a refused login. The server's messages contain no password.
fn refused(address: &str, reason: &str) -> Finding {
    let (code, remedy) = if reason.contains("startup parameter") {
        (
            "database.startup_options_refused",
            "the address is a pooler such as pgbouncer: name PostgreSQL itself in database.url; or set \
             `ignore_startup_parameters = options` and `pool_mode = session` in pgbouncer.ini, and repeat: the \
             doctor then names what the role needs",
        )
    } else {
        (
            "database.unreachable",
            "check that the database runs, and check host, port, database, user and password in database.url \
             (CAREQ_DATABASE_URL), and pg_hba.conf on the server",
        )
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
