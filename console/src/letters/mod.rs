//! Dead letters as a person sees them: listed, grouped by cause, shown, corrected, discarded, opened again. A payload is masked unless somebody
//! asks for it by name, and that is written down first.

mod chosen;
mod filter;

mod groups;
mod list;
mod payload;
mod show;

mod reason;

mod correct;
mod discard;
mod reopen;
mod turn;

pub use chosen::Chosen;
pub use correct::{Corrected, Correction, correct};
pub use discard::discard;
pub use filter::Filter;
pub use groups::{Group, groups};
pub use list::{Letter, count, list};

pub(crate) use list::nothing_open;
pub use payload::{InClear, Payload};
pub use reopen::reopen;
pub(crate) use show::MAX_REVEALS_PER_MINUTE;
pub use show::{Attempt, InJob, Shown, find, reveal, show};
pub use turn::Turned;
