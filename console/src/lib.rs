//! Operations: what a person sees of dead letters and does with them. The command line and the admin API call it,
//! and a web console will. It needs no broker: replay jobs are rows, which a worker carries out. Nothing here may delete a letter, change
//! anything without an entry in the audit log, or show a payload before its entry is committed.

mod calendar;
mod error;
mod page;
mod schema;
mod short;

pub mod letters;

pub mod jobs;

pub mod audit;

pub mod admins;

pub mod api;

pub use error::Error;
pub use page::{Cursor, Listed, Page};
pub use short::ShortId;
