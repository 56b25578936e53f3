//! What went wrong, by who can do something about it. A fault must never carry the database's own words: they may quote a
//! patient's data.

use careq_shared::database;
use careq_shared::refusal::{Meaning, Refusal};
use sea_orm::DbErr;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Another worker was at the same rows; once more, at once.
    Contention,
    /// The database could not be used. No event is to blame, unless the database works for all others: then this is its fault.
    Infrastructure(EventFault),
    /// It took too long. No event is to blame, unless the database is quick for all others.
    TimedOut,
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
    /// Of an event that cannot be written down again.
    pub(crate) fn unwritable() -> Self {
        let message = "The event cannot be written by this version".to_owned();
        Self { class: FaultClass::Permanent, message }
    }

    /// Of events that touch too much together.
    pub(crate) fn too_large() -> Self {
        let message = "The rows that they touch are too large to be read together".to_owned();
        Self { class: FaultClass::Transient, message }
    }

    /// Of an event whose transactions never end, while the database works.
    pub(crate) fn stalled() -> Self {
        let message = "Its transaction does not end in time, while the database works".to_owned();
        Self { class: FaultClass::Transient, message }
    }

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
    /// The server itself had no resources or no rights for it; it is tried until it has.
    Unusable,
    /// Somebody has held rows that it needs for too long. It may work later, and says nothing of the event.
    Busy,
    /// Something of it belongs to another row; worth another look at once, and never afterwards.
    Collision,
    /// No attempt has come to a result: whoever tries it may be brought down.
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
