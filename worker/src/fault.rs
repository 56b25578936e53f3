//! Failures of database work by their consequence. A fault carries none of the database's own words, which may quote patient data.

use careq_shared::database;
use careq_shared::refusal::{Meaning, Refusal};
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
    /// The event cannot be encoded again.
    pub(crate) fn unwritable() -> Self {
        let message = "The event cannot be written by this version".to_owned();
        Self { class: FaultClass::Permanent, message }
    }

    /// The events touch more rows than fit into memory together.
    pub(crate) fn too_large() -> Self {
        let message = "The rows that they touch are too large to be read together".to_owned();
        Self { class: FaultClass::Transient, message }
    }

    /// The event's transactions do not end, while the database works.
    pub(crate) fn stalled() -> Self {
        let message = "Its transaction does not end in time, while the database works".to_owned();
        Self { class: FaultClass::Transient, message }
    }

    /// Every attempt ended without a result.
    pub(crate) fn no_result() -> Self {
        let message = "Every attempt ended without a result; the event may bring workers down".to_owned();
        Self { class: FaultClass::NoResult, message }
    }

    /// The event collides with another row at every try.
    pub(crate) fn never_alone() -> Self {
        let message = "It collides with another row, by a unique index that is not ours".to_owned();
        Self { class: FaultClass::Transient, message }
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

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let fault = |class, message: &str| EventFault { class, message: message.to_owned() };
        let refusal = Refusal::of(&error);
        database::renew_after(&refusal);
        match refusal {
            Refusal::NoConnection | Refusal::Lost => {
                Self::Infrastructure(fault(FaultClass::Transient, "The connection to the database was lost"))
            }
            Refusal::NotUnderstood => {
                Self::Event(fault(FaultClass::Transient, "The database's answer could not be understood"))
            }
            Refusal::Refused { meaning, message } => match meaning {
                Meaning::Contention => Self::Contention,
                Meaning::TimedOut => Self::TimedOut,
                Meaning::Unusable => Self::Infrastructure(fault(FaultClass::Unusable, &message)),
                Meaning::Session | Meaning::Function => {
                    Self::Infrastructure(fault(FaultClass::Transient, &message))
                }
                Meaning::Busy => Self::Event(fault(FaultClass::Busy, &message)),
                Meaning::Rule => Self::Event(fault(FaultClass::Transient, &message)),
                Meaning::Collision => Self::Event(fault(FaultClass::Collision, &message)),
                Meaning::Data => Self::Event(fault(FaultClass::Permanent, &message)),
            },
        }
    }
}
