//! Sending as CareQ does: at a pace, signed, with its retries. An answer must never be taken for more than it says.

mod caller;
mod sign;
mod target;

mod script;

mod pace;

mod late;

mod deliver;

mod player;

mod play;

pub(crate) use caller::{Caller, Data, NoAnswer};
pub(crate) use play::{Played, everything};
pub(crate) use sign::Proofs;

/// An event that was acknowledged, under this id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receipt {
    pub(crate) story: u64,
    /// Its number within the story.
    pub(crate) event: u16,
    pub(crate) event_id: Box<str>,
}
