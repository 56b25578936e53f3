//! What went wrong, by who can do something about it. A fault must never carry the database's own words: they may quote a
//! patient's data.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Another worker was at the same rows; once more, at once.
    Contention,
    /// The database cannot be used; the lane waits for it, and no event is to blame.
    Infrastructure(String),
    /// One of the events is to blame.
    Event(EventFault),
}

/// Why an event failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventFault {
    pub(crate) class: FaultClass,
    /// For an admin, without any of the event's data.
    pub(crate) message: String,
}

impl EventFault {
    /// Of an event that collides with another row at every try.
    pub(crate) fn never_alone() -> Self {
        let message = "It collides with another row, by a unique index that is not ours".to_owned();
        Self { class: FaultClass::Transient, message }
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    /// It can never work.
    Permanent,
    /// It may work later.
    Transient,
    /// Something of it belongs to another row; worth another look at once, and never afterwards.
    Collision,
    /// No attempt has come to a result: whoever tries it may be brought down.
    NoResult,
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::Database(refusal)))
            | DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Database(refusal))) => {
                classify(refusal.as_ref())
            }
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => connection_lost(),
            DbErr::Exec(RuntimeErr::SqlxError(fault)) | DbErr::Query(RuntimeErr::SqlxError(fault))
                if is_of_the_connection(fault) =>
            {
                connection_lost()
            }
            _ => Self::Event(EventFault {
                class: FaultClass::Transient,
                message: "The database's answer could not be understood".to_owned(),
            }),
        }
    }
}

fn connection_lost() -> Fault {
    Fault::Infrastructure("the connection was lost".to_owned())
}

fn is_of_the_connection(fault: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    matches!(fault, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed)
}

/// By SQLSTATE (PostgreSQL manual, appendix A) or SQLite's result code.
fn classify(refusal: &dyn sqlx::error::DatabaseError) -> Fault {
    let code = refusal.code().unwrap_or_default();
    let message = match (refusal.constraint(), refusal.table()) {
        (Some(constraint), Some(table)) => {
            format!("The database refused it: error {code}, constraint {constraint} of {table}")
        }
        _ => format!("The database refused it: error {code}"),
    };
    let blame = |class| Fault::Event(EventFault { class, message: message.clone() });
    if code.len() == 5 {
        return match code.get(..2).unwrap_or_default() {
            // Unique violation: usually another worker was quicker, which the next look shows.
            "23" if code == "23505" => blame(FaultClass::Collision),
            "22" | "23" => blame(FaultClass::Permanent),
            // Serialization failure, deadlock.
            "40" => Fault::Contention,
            // A trigger's exception, a statement too complex or cancelled, a lock not available, an internal error.
            "P0" | "54" | "55" | "XX" | "0A" | "21" => blame(FaultClass::Transient),
            "57" if code == "57014" => blame(FaultClass::Transient),
            // No connection, no resources, no permission, no table: an operator's business.
            _ => Fault::Infrastructure(message),
        };
    }
    let code: u32 = code.parse().unwrap_or_default();
    match (code & 0xff, code) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        (5 | 6, _) => Fault::Contention,
        // SQLITE_CONSTRAINT_TRIGGER.
        (_, 1811) => blame(FaultClass::Transient),
        // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        (_, 1555 | 2067) => blame(FaultClass::Collision),
        // SQLITE_CONSTRAINT, TOOBIG, MISMATCH, RANGE.
        (19 | 18 | 20 | 25, _) => blame(FaultClass::Permanent),
        _ => Fault::Infrastructure(message),
    }
}
