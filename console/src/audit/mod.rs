//! The audit log: the actor, the action, the time, and the dead letters, job, clinic or admin concerned. An entry is committed together
//! with its change, or before it. It is never changed, and never contains a patient's data.

pub(crate) mod entries;
mod verify;

pub use careq_shared::audit::{Action, Actor, Origin};
pub use entries::{Entry, list};
pub use verify::{Verification, verify};
