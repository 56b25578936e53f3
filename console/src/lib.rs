//! Operations on dead letters, replay jobs, clinics and admins, as a library. The command line and the admin API call it.
//! It needs no broker: a replay job is a set of rows, which a worker executes.
//! Dead letters are never deleted here. Each change is committed together with its entry in the audit log, and a payload
//! is shown only after its entry is committed.

pub mod admins;
pub mod api;
pub mod audit;
pub mod clinics;
pub mod dead_letters;
pub mod jobs;

mod error;
mod limits;
mod page;
mod short_id;

pub use error::Error;
pub use page::{Cursor, Page, PageRequest};
pub use short_id::ShortId;
