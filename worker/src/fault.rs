//! Failures of database work by their consequence. A fault carries none of the database's own words, which may quote patient data.

use careq_shared::database;
use careq_shared::refusal::{self, Meaning, Refusal};
use sea_orm::DbErr;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A collision with another transaction: retried at once.
    Contention,
    /// The database could not be used. Attributed to the event only if the database works for other work; then this is its fault.
    Infrastructure(EventFault),
    /// The deadline passed. Attributed to the event only if the database is quick for other work.
    TimedOut,
    /// A fault of one of the events.
    Event(EventFault),
}

/// Why an event failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventFault {
    pub(crate) class: FaultClass,
    /// For an admin; contains no data of the event.
    pub(crate) message: String,
}

impl EventFault {
    pub(crate) fn new(class: FaultClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

/// Whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultClass {
    /// No retry can help.
    Permanent,
    /// A later retry may help.
    Transient,
    /// The server lacked resources or privileges: retried until it has them.
    Unusable,
    /// Another session held the rows for too long. A later retry may help; the event is not the cause.
    Busy,
    /// A unique value belongs to another row: one retry at once, none later.
    Collision,
    /// No attempt had a result: the event may crash workers.
    NoResult,
}

impl Fault {
    /// The fault of an insert. If a row exists, the event is a duplicate, or another transaction was faster. A unique index of
    /// the hospital's own is another matter; only PostgreSQL names it.
    pub(crate) fn of_insert(error: DbErr) -> Self {
        let is_ours = |name: &str| {
            name.ends_with("_pkey")
                || name.ends_with("_careq_id")
                || ["events_idempotency_key", "appointments_hash"].contains(&name)
        };
        match Refusal::classify(&error) {
            Refusal::Refused { meaning: Meaning::Duplicate, .. }
                if refusal::constraint(&error).is_none_or(is_ours) =>
            {
                Self::Contention
            }
            _ => error.into(),
        }
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let refusal = Refusal::classify(&error);
        database::renew_after(&refusal);
        let transient = |message| EventFault::new(FaultClass::Transient, message);
        match refusal {
            Refusal::NoConnection | Refusal::Lost => {
                Self::Infrastructure(transient("The connection to the database was lost"))
            }
            Refusal::NotUnderstood => Self::Event(transient("The database's answer could not be understood")),
            Refusal::Refused { meaning, message } => {
                let fault = |class| EventFault::new(class, message);
                match meaning {
                    Meaning::Contention => Self::Contention,
                    Meaning::TimedOut => Self::TimedOut,
                    Meaning::Unusable => Self::Infrastructure(fault(FaultClass::Unusable)),
                    Meaning::Session | Meaning::Function => {
                        Self::Infrastructure(fault(FaultClass::Transient))
                    }
                    Meaning::Busy => Self::Event(fault(FaultClass::Busy)),
                    Meaning::Rule => Self::Event(fault(FaultClass::Transient)),
                    Meaning::Duplicate | Meaning::Collision => Self::Event(fault(FaultClass::Collision)),
                    Meaning::Data => Self::Event(fault(FaultClass::Permanent)),
                }
            }
        }
    }
}
