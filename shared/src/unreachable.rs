//! Reasons why a server cannot be reached, for people: connection refused, name not resolved, TLS, login. They never
//! hold a password.

use std::error::Error;
use std::io::{self, ErrorKind};

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// The reason why the database cannot be reached (PostgreSQL manual, "PostgreSQL Error Codes").
pub fn database(fault: &DbErr) -> String {
    let (DbErr::Conn(RuntimeErr::SqlxError(fault))
    | DbErr::Exec(RuntimeErr::SqlxError(fault))
    | DbErr::Query(RuntimeErr::SqlxError(fault))) = fault
    else {
        return fault.to_string();
    };
    match fault {
        sqlx::Error::Io(fault) => system(fault),
        sqlx::Error::Tls(fault) => format!("TLS failed: {}", innermost(fault.as_ref())),
        // The driver's own message may quote the URL.
        sqlx::Error::Configuration(_) => "the URL cannot be used".to_owned(),
        sqlx::Error::Database(said) => {
            let words = said.message();
            match said.code().as_deref() {
                Some("28P01" | "28000") => format!("the login was refused: {words}"),
                Some("3D000") => format!("there is no such database: {words}"),
                Some("53300") => format!("it takes no more connections: {words}"),
                Some("57P03") => format!("it is starting or recovering: {words}"),
                _ => words.to_owned(),
            }
        }
        fault => fault.to_string(),
    }
}

/// The reason why RabbitMQ cannot be reached.
pub(crate) fn broker(fault: &lapin::Error) -> String {
    match fault.kind() {
        lapin::ErrorKind::IOError(fault) => system(fault),
        lapin::ErrorKind::ProtocolError(said) if said.get_message().as_str().contains("ACCESS_REFUSED") => {
            format!("the login was refused: {}", said.get_message())
        }
        _ => fault.to_string(),
    }
}

/// The reason in an error of the operating system or of TLS.
fn system(fault: &io::Error) -> String {
    let words = innermost(fault);
    match fault.kind() {
        ErrorKind::ConnectionRefused => {
            "connection refused: nothing listens at that address and port".to_owned()
        }
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted => {
            format!("it closed the connection: {words}")
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::TimedOut => {
            format!("no way leads there: {words}")
        }
        ErrorKind::InvalidData => format!("TLS failed: {words}"),
        _ if words.contains("failed to lookup address") => {
            format!("its host name cannot be resolved: {words}")
        }
        _ => words,
    }
}

/// The innermost cause. The outer errors repeat it or say less.
fn innermost(fault: &(dyn Error + 'static)) -> String {
    let mut cause = fault;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
