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
    /// `data` where it can never work, `transient` where it may.
    pub(crate) class: FaultClass,
    /// For an admin, without any of the event's data.
    pub(crate) message: String,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    Permanent,
    Transient,
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::Database(refusal)))
            | DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Database(refusal))) => {
                classify(refusal.as_ref())
            }
            DbErr::Exec(_) | DbErr::Query(_) | DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => {
                Self::Infrastructure("the connection was lost".to_owned())
            }
            _ => Self::Event(EventFault {
                class: FaultClass::Transient,
                message: "The database's answer could not be understood".to_owned(),
            }),
        }
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A) or SQLite's result code.
fn classify(refusal: &dyn sqlx::error::DatabaseError) -> Fault {
    let code = refusal.code().unwrap_or_default();
    let message = match (refusal.constraint(), refusal.table()) {
        (Some(constraint), Some(table)) => {
            format!("The database refused it: {code}, constraint {constraint} of {table}")
        }
        _ => format!("The database refused it: {code}"),
    };
    let blame = |class| Fault::Event(EventFault { class, message: message.clone() });
    if code.len() == 5 {
        return match code.get(..2).unwrap_or_default() {
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
        // SQLITE_CONSTRAINT, TOOBIG, MISMATCH, RANGE.
        (19 | 18 | 20 | 25, _) => blame(FaultClass::Permanent),
        _ => Fault::Infrastructure(message),
    }
}
