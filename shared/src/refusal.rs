//! The classification of database errors by their codes: whether the event caused the error or another event would
//! have failed too. The database's own messages are left out, because they may quote a patient's data.

use std::error::Error;
use std::iter::successors;

use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr, sqlx};

/// A database error, by its consequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No connection is available.
    NoConnection,
    /// The connection broke, or its protocol was violated.
    Lost,
    /// The database refused the statement. `message` names the code and the violated constraint.
    Refused {
        /// The meaning of the code.
        meaning: Meaning,
        /// A message without any data.
        message: String,
    },
    /// The response was not understood.
    NotUnderstood,
}

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Another transaction held the same rows: retry immediately.
    Contention,
    /// A lock was not granted in time: retry later.
    Busy,
    /// The statement took too long, or was cancelled.
    TimedOut,
    /// The session cannot execute it, and a new session may. The session was ended, is read-only, or has outdated
    /// prepared statements.
    Session,
    /// Resources, permissions or tables are missing: an operator must act.
    Unusable,
    /// The same inside of a function of the installation, such as a trigger. The cause is the server or the function.
    Function,
    /// A rule of the installation, such as a trigger, or a limit of the server. A later attempt may succeed.
    Rule,
    /// Another row has the same unique value. Usually another transaction was faster, which the next read shows.
    Duplicate,
    /// A conflict with another row: it was the parent and has been deleted, or a function inserted a unique value again.
    Collision,
    /// The value can never be stored.
    Data,
}

impl Refusal {
    /// Classifies an error.
    pub fn classify(fault: &DbErr) -> Self {
        use sqlx::Error::{Io, Protocol, Tls, WorkerCrashed};
        match fault {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::NoConnection,
            DbErr::Exec(RuntimeErr::SqlxError(fault)) | DbErr::Query(RuntimeErr::SqlxError(fault)) => {
                match fault {
                    sqlx::Error::Database(refusal) => refused(refusal.as_ref()),
                    sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::NoConnection,
                    Io(_) | Tls(_) | Protocol(_) | WorkerCrashed => Self::Lost,
                    _ => Self::NotUnderstood,
                }
            }
            _ => Self::NotUnderstood,
        }
    }

    /// Whether the same statement can succeed soon without any change but in the database itself.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection | Self::Lost => true,
            Self::Refused { meaning, .. } => {
                !matches!(meaning, Meaning::Rule | Meaning::Duplicate | Meaning::Collision | Meaning::Data)
            }
            Self::NotUnderstood => false,
        }
    }

    /// Whether the session caused the error. Other sessions of the same age may fail alike; a new one may succeed.
    pub const fn is_of_the_session(&self) -> bool {
        matches!(self, Self::Lost | Self::Refused { meaning: Meaning::Session, .. })
    }
}

/// The constraint that an error of PostgreSQL names.
pub fn constraint(fault: &DbErr) -> Option<&str> {
    match fault {
        DbErr::Exec(RuntimeErr::SqlxError(fault)) | DbErr::Query(RuntimeErr::SqlxError(fault)) => {
            fault.as_database_error()?.constraint()
        }
        _ => None,
    }
}

/// The advice for an error that says that the disk of an SQLite database fails.
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

fn refused(refusal: &dyn sqlx::error::DatabaseError) -> Refusal {
    let Some(code) = refusal.code() else { return Refusal::NotUnderstood };
    let message = match (refusal.constraint(), refusal.table()) {
        (Some(constraint), Some(table)) => {
            format!("The database refused it: error {code}, constraint {constraint} of {table}")
        }
        _ => match advice_by_code(&code) {
            Some(advice) => format!("The database refused it: error {code}. {advice}"),
            None => format!("The database refused it: error {code}"),
        },
    };
    let meaning = match refusal.try_downcast_ref::<PgDatabaseError>() {
        Some(refusal) => {
            postgresql_meaning(&code, refusal.routine().unwrap_or(""), refusal.r#where().is_some())
        }
        None => code.parse().map_or(Meaning::Function, sqlite_meaning),
    };
    Refusal::Refused { meaning, message }
}

/// Classifies by SQLSTATE (PostgreSQL manual, appendix A), by the reporting routine of the server, and by whether a
/// function was active ("Error and Notice Message Fields"). Our own statements call no function.
fn postgresql_meaning(code: &str, routine: &str, within_function: bool) -> Meaning {
    match sqlstate_meaning(code) {
        // An exception of a user function says nothing about the server, whatever its code.
        Meaning::Session | Meaning::Unusable if routine == "exec_stmt_raise" => Meaning::Rule,
        // "Cached plan must not change result type": the table was altered after the session prepared the statement.
        _ if code == "0A000" && routine == "RevalidateCachedQuery" => Meaning::Session,
        Meaning::Unusable if within_function => Meaning::Function,
        Meaning::Duplicate if within_function => Meaning::Collision,
        meaning => meaning,
    }
}

fn sqlstate_meaning(code: &str) -> Meaning {
    match (code.get(..2).unwrap_or(code), code) {
        // Unique violation, foreign key violation.
        (_, "23505") => Meaning::Duplicate,
        (_, "23503") => Meaning::Collision,
        ("22" | "23", _) => Meaning::Data,
        // Serialization failure, deadlock.
        ("40", _) => Meaning::Contention,
        // A lock not available, an object in use.
        (_, "55P03" | "55006") => Meaning::Busy,
        // A statement cancelled, as by `statement_timeout`; `transaction_timeout`.
        (_, "57014" | "25P04") => Meaning::TimedOut,
        // Connection exceptions; a server that ends sessions; a transaction that is read-only or was ended for
        // idleness; prepared statements that a pooler has mixed up; an internal error or corrupted data.
        ("08" | "57" | "25" | "26" | "XX", _) | (_, "42P05" | "34000") => Meaning::Session,
        // Login and database; resources, system errors, configuration, snapshots; tables, columns and permissions.
        ("28" | "3D" | "3F" | "42" | "53" | "58" | "72" | "F0", _) => Meaning::Unusable,
        // A trigger's exception, a statement too complex, an error of a foreign table, and user-defined codes.
        _ => Meaning::Rule,
    }
}

/// By SQLite's extended result code.
fn sqlite_meaning(code: u32) -> Meaning {
    match (code & 0xff, code) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        (5 | 6, _) => Meaning::Contention,
        // SQLITE_CONSTRAINT_TRIGGER.
        (_, 1811) => Meaning::Rule,
        // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        (_, 1555 | 2067) => Meaning::Duplicate,
        // SQLITE_CONSTRAINT_FOREIGNKEY.
        (_, 787) => Meaning::Collision,
        // SQLITE_CONSTRAINT, TOOBIG, MISMATCH, RANGE.
        (19 | 18 | 20 | 25, _) => Meaning::Data,
        // PERM, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOLFS, AUTH, NOTADB.
        (3 | 7 | 8 | 10 | 11 | 13 | 14 | 15 | 22 | 23 | 26, _) => Meaning::Unusable,
        // SQLITE_ERROR, such as a missing table or a trigger's computation; and every other code.
        _ => Meaning::Function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_sqlstate_has_its_meaning() {
        for (meaning, codes) in [
            (Meaning::Contention, "40000 40001 40002 40003 40P01"),
            (Meaning::Busy, "55P03 55006"),
            (Meaning::TimedOut, "57014 25P04"),
            (Meaning::Duplicate, "23505"),
            (Meaning::Collision, "23503"),
            (Meaning::Data, "22000 22001 22003 22021 22P02 22P05 23000 23001 23502 23514 23P01"),
            (Meaning::Session, "08000 08003 08006 08P01 25000 25001 25006 25P02 25P03 26000 34000 42P05"),
            (Meaning::Session, "57000 57P01 57P02 57P03 57P04 57P05 XX000 XX001 XX002"),
            (Meaning::Unusable, "28000 28P01 3D000 3F000 42000 42501 42601 42703 42883 42P01"),
            (Meaning::Unusable, "53000 53100 53200 53300 53400 58000 58030 58P01 72000 F0000 F0001"),
            (Meaning::Rule, "00000 01000 02000 03000 09000 0A000 0B000 0F000 0L000 0P000 0Z002 20000 21000"),
            (Meaning::Rule, "24000 27000 2B000 2D000 2F005 38000 39000 3B000 44000 45000 54000 55000 55P02"),
            (Meaning::Rule, "HV000 HV00A P0000 P0001 P0004 99999 ZZ001 CQ007 U0001"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(sqlstate_meaning(code), meaning, "{code}");
            }
        }
    }

    #[test]
    fn an_exception_of_a_trigger_says_nothing_about_the_server() {
        for code in ["08006", "25006", "42501", "53100", "57P01", "58030", "XX000"] {
            assert_eq!(postgresql_meaning(code, "exec_stmt_raise", true), Meaning::Rule, "{code}");
            assert_ne!(postgresql_meaning(code, "another_routine", false), Meaning::Rule, "{code}");
        }
        assert_eq!(postgresql_meaning("40001", "exec_stmt_raise", true), Meaning::Contention);
        assert_eq!(postgresql_meaning("0A000", "RevalidateCachedQuery", false), Meaning::Session);
        assert_eq!(postgresql_meaning("0A000", "exec_stmt_raise", true), Meaning::Rule);
        assert_eq!(postgresql_meaning("23505", "_bt_check_unique", true), Meaning::Collision);
        assert_eq!(postgresql_meaning("23505", "_bt_check_unique", false), Meaning::Duplicate);
        assert_eq!(postgresql_meaning("53200", "AllocSetAlloc", true), Meaning::Function);
        assert_eq!(postgresql_meaning("53200", "AllocSetAlloc", false), Meaning::Unusable);
    }

    #[test]
    fn every_result_code_of_sqlite_has_its_meaning() {
        for (meaning, codes) in [
            (Meaning::Contention, [5, 6, 261, 262, 517, 773].as_slice()),
            (Meaning::Rule, &[1811]),
            (Meaning::Duplicate, &[1555, 2067]),
            (Meaning::Collision, &[787]),
            (Meaning::Data, &[18, 19, 20, 25, 275, 531, 1299, 2835, 3091]),
            (Meaning::Unusable, &[3, 7, 8, 10, 11, 13, 14, 15, 22, 23, 26]),
            (Meaning::Function, &[0, 1, 2, 4, 9, 12, 16, 17, 21, 24, 513, 769]),
            (Meaning::Unusable, &[264, 266, 267, 270, 522, 776, 778, 1034, 1546, 2826, 3338, 6410]),
        ] {
            for code in codes {
                assert_eq!(sqlite_meaning(*code), meaning, "{code}");
            }
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
        assert!(Refusal::classify(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)).is_passing());
        assert!(!Refusal::classify(&DbErr::Type("a word that is not known".to_owned())).is_passing());
    }

    #[test]
    fn a_pool_that_is_used_up_says_nothing_of_its_sessions() {
        let used_up = || DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::PoolTimedOut));
        assert!(!Refusal::classify(&used_up()).is_of_the_session());
        let broken = DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::Protocol(String::new())));
        assert!(Refusal::classify(&broken).is_of_the_session());
    }
}
