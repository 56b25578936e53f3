//! Clinics and their secrets: added, configured, disabled, listed. A secret is shown once, when it is created. The
//! database stores its digest or its sealed value.

mod credential;
mod error;
mod manage;
mod row;

pub use credential::{Change, rotate, set, unset};
pub use error::ClinicError;
pub use manage::{Configuration, Setting, Summary, add, configure, disable, list, seed, unheeded};
