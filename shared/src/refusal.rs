//! What a fault of the database means, by its numbers alone: whether to try again, and who is to blame. It must never carry the
//! database's own words: they may quote a patient's data.

use std::error::Error;
use std::iter::successors;

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// What went wrong between us and the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no connection.
    NoConnection,
    /// The database refused; for people, `message` says with which number, and which rule of which table it held against it.
    Refused {
        /// What the number means.
        meaning: Meaning,
        /// Without any data.
        message: String,
    },
    /// It answered something that we do not understand.
    NotUnderstood,
}

/// Why the database refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody else was at the same rows; once more, at once.
    Contention,
    /// A lock or a statement took too long; later.
    Busy,
    /// A rule of somebody's own, such as a trigger's, or what this server cannot do with just this; perhaps later.
    Rule,
    /// It has to do with another row, which has its unique value, or was its parent and has just gone.
    Collision,
    /// It can never be stored.
    Data,
    /// No resources, no permission, no table: an operator's business.
    Unusable,
}

impl Refusal {
    /// What a fault means.
    #[must_use]
    pub fn of(fault: &DbErr) -> Self {
        match fault {
            DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::Database(refusal)))
            | DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Database(refusal))) => {
                refused(refusal.as_ref())
            }
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::NoConnection,
            DbErr::Exec(RuntimeErr::SqlxError(fault)) | DbErr::Query(RuntimeErr::SqlxError(fault))
                if is_of_the_connection(fault) =>
            {
                Self::NoConnection
            }
            _ => Self::NotUnderstood,
        }
    }

    /// Whether the same can work in a moment, with nothing mended but the database itself.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection => true,
            Self::Refused { meaning, .. } => {
                matches!(meaning, Meaning::Contention | Meaning::Busy | Meaning::Unusable)
            }
            Self::NotUnderstood => false,
        }
    }
}

/// What to do when an error says that the disk of an SQLite database fails.
#[must_use]
pub fn advice(fault: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut causes = successors(Some(fault), |&fault| fault.source());
    let refusal = causes.find_map(|cause| match cause.downcast_ref()? {
        sqlx::Error::Database(refusal) => refusal.code(),
        _ => None,
    });
    advice_by_code(&refusal?)
}

/// By SQLite's result code.
fn advice_by_code(code: &str) -> Option<&'static str> {
    let code: u32 = code.parse().ok().filter(|_| code.len() < 5)?;
    match code & 0xff {
        // SQLITE_FULL
        13 => Some("The disk is full: free some space, or make it larger"),
        // SQLITE_IOERR
        10 => Some(
            "The disk is full, a quota is used up, or the disk fails: free some space; if there is enough, see the system's log (dmesg)",
        ),
        // SQLITE_READONLY, SQLITE_CANTOPEN
        8 | 14 => Some(
            "The file cannot be written: if its owner is right, the system's log (dmesg) says why its file system is read-only",
        ),
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => Some("The file is damaged: stop careq-sync, and restore the data folder from a backup"),
        _ => None,
    }
}

fn is_of_the_connection(fault: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    matches!(fault, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed)
}

fn refused(refusal: &dyn sqlx::error::DatabaseError) -> Refusal {
    let code = refusal.code().unwrap_or_default();
    let message = match (refusal.constraint(), refusal.table()) {
        (Some(constraint), Some(table)) => {
            format!("The database refused it: error {code}, constraint {constraint} of {table}")
        }
        _ => match advice_by_code(&code) {
            Some(advice) => format!("The database refused it: error {code}. {advice}"),
            None => format!("The database refused it: error {code}"),
        },
    };
    Refusal::Refused { meaning: meaning(&code), message }
}

/// By SQLSTATE (PostgreSQL manual, appendix A) or SQLite's result code.
fn meaning(code: &str) -> Meaning {
    if code.len() == 5 {
        return match code.get(..2).unwrap_or_default() {
            // Unique and foreign key violation: usually somebody else was quicker, which the next look shows.
            "23" if matches!(code, "23505" | "23503") => Meaning::Collision,
            "22" | "23" => Meaning::Data,
            // Serialization failure, deadlock.
            "40" => Meaning::Contention,
            // A lock not available; a statement cancelled.
            "55" => Meaning::Busy,
            "57" if code == "57014" => Meaning::Busy,
            // A trigger's exception, a statement too complex, an internal error.
            "P0" | "54" | "XX" | "0A" | "21" => Meaning::Rule,
            _ => Meaning::Unusable,
        };
    }
    let code: u32 = code.parse().unwrap_or_default();
    match (code & 0xff, code) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        (5 | 6, _) => Meaning::Contention,
        // SQLITE_CONSTRAINT_TRIGGER.
        (_, 1811) => Meaning::Rule,
        // SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        (_, 787 | 1555 | 2067) => Meaning::Collision,
        // SQLITE_CONSTRAINT, TOOBIG, MISMATCH, RANGE.
        (19 | 18 | 20 | 25, _) => Meaning::Data,
        _ => Meaning::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_the_same_on_both_databases() {
        for (code, expected) in [
            ("40001", Meaning::Contention),
            ("5", Meaning::Contention),
            ("55P03", Meaning::Busy),
            ("57014", Meaning::Busy),
            ("P0001", Meaning::Rule),
            ("1811", Meaning::Rule),
            ("23505", Meaning::Collision),
            ("23503", Meaning::Collision),
            ("2067", Meaning::Collision),
            ("787", Meaning::Collision),
            ("23514", Meaning::Data),
            ("275", Meaning::Data),
            // Ended by `idle_in_transaction_session_timeout`, a server that is shutting down, a disk that is full.
            ("25P03", Meaning::Unusable),
            ("57P01", Meaning::Unusable),
            ("13", Meaning::Unusable),
            // SQLite's disk, and what follows when it has ended a transaction by itself.
            ("10", Meaning::Unusable),
            ("778", Meaning::Unusable),
            ("1034", Meaning::Unusable),
            ("8714", Meaning::Unusable),
            ("8", Meaning::Unusable),
            ("1288", Meaning::Unusable),
            ("14", Meaning::Unusable),
            ("11", Meaning::Unusable),
            ("26", Meaning::Unusable),
            ("7", Meaning::Unusable),
            ("516", Meaning::Unusable),
            ("1", Meaning::Unusable),
        ] {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }

    #[test]
    fn a_disk_that_fails_has_its_sentence() {
        for (code, word) in
            [("13", "space"), ("778", "dmesg"), ("8", "dmesg"), ("14", "dmesg"), ("11", "backup")]
        {
            assert!(advice_by_code(code).is_some_and(|advice| advice.contains(word)), "{code}");
        }
        for code in ["5", "1811", "53100", "40001", ""] {
            assert_eq!(advice_by_code(code), None, "{code}");
        }
    }

    #[test]
    fn an_answer_of_another_version_does_not_pass() {
        assert!(Refusal::of(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)).is_passing());
        assert!(!Refusal::of(&DbErr::Type("a word that is not known".to_owned())).is_passing());
    }
}
