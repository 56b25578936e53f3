//! Clinics and their secrets, for the commands that change them and the ingress that verifies requests. A secret is
//! shown once, when it is created. The database stores its digest or its sealed value.

mod credential;
mod enabled;
mod error;
pub(crate) mod kind;
mod manage;
mod row;

pub use credential::{Change, rotate, set, unset};
pub use enabled::{Clinic, Credential, Enabled, Trouble, enabled};
pub use error::ClinicError;
pub use kind::CredentialKind;
pub use manage::{Configuration, Setting, Summary, add, configure, disable, list, seed, unheeded};
