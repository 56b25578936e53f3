//! Dead letters: listed, grouped by cause, shown, revealed, corrected, discarded, reopened. A payload is masked unless it is revealed.

mod correct;
pub(crate) mod filter;
mod groups;
pub(crate) mod list;
mod payload;
mod reveal;
mod show;
mod state_change;

pub use correct::{Corrected, Correction, correct};
pub use filter::{Filter, Selection};
pub use groups::{Group, groups};
pub use list::{DeadLetter, count, list};
pub use payload::{Payload, Plaintext};
pub use reveal::reveal;
pub use show::{Attempt, DeadLetterDetails, JobMembership, find, show};
pub use state_change::{BulkChange, discard, reopen};
