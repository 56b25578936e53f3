//! Parked events: the search for those that are ready, the sweep, the claim of an attempt, and the end of the parent timeout.

mod claim;
mod parent_deadline;
pub(crate) mod search;
pub(crate) mod sweep;
pub(crate) mod unpark;
