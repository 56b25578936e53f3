//! What went wrong, by who can do something about it. A fault must never carry the database's own words: they may quote a
//! patient's data.

use careq_shared::refusal::{Meaning, Refusal};
use sea_orm::DbErr;

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
    /// Of an event that cannot be written down again.
    pub(crate) fn unwritable() -> Self {
        let message = "The event cannot be written by this version".to_owned();
        Self { class: FaultClass::Permanent, message }
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
    /// Somebody has held rows that it needs for too long. It may work later, and says nothing of the event.
    Busy,
    /// Something of it belongs to another row; worth another look at once, and never afterwards.
    Collision,
    /// No attempt has come to a result: whoever tries it may be brought down.
    NoResult,
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        let blame = |class, message| Self::Event(EventFault { class, message });
        match Refusal::of(&error) {
            Refusal::NoConnection => Self::Infrastructure("the connection was lost".to_owned()),
            Refusal::NotUnderstood => {
                blame(FaultClass::Transient, "The database's answer could not be understood".to_owned())
            }
            Refusal::Refused { meaning, message } => match meaning {
                Meaning::Contention => Self::Contention,
                Meaning::Unusable => Self::Infrastructure(message),
                Meaning::Busy => blame(FaultClass::Busy, message),
                Meaning::Rule => blame(FaultClass::Transient, message),
                Meaning::Collision => blame(FaultClass::Collision, message),
                Meaning::Data => blame(FaultClass::Permanent, message),
            },
        }
    }
}
