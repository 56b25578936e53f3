//! Dead letters: listed, grouped by cause, shown, revealed, corrected, discarded, reopened. A payload is masked unless it is revealed.

pub(crate) mod filter;
pub(crate) mod list;
pub(crate) mod selection;

mod groups;

mod payload;
mod reason;
mod reveal;
mod show;

mod correct;
mod discard;
mod reopen;
mod state_change;

pub use correct::{Corrected, Correction, correct};
pub use discard::discard;
pub use filter::Filter;
pub use groups::{Group, groups};
pub use list::{DeadLetter, count, list};
pub use payload::{Payload, Plaintext};
pub use reopen::reopen;
pub use reveal::reveal;
pub use selection::Selection;
pub use show::{Attempt, DeadLetterDetails, JobMembership, find, show};
pub use state_change::BulkChange;
