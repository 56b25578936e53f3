//! Clinics and what they prove themselves with, for the command line that makes them and the ingress that asks for them. A
//! secret is shown once, when it is made; only its digest, or its sealed value, must ever be stored.

mod clinic;
mod credential;
mod enabled;
mod error;
pub(crate) mod kind;
mod manage;
mod row;

pub use crate::seal::Keys;
pub use clinic::{Clinic, Credential};
pub use credential::{Change, rotate, set, unset};
pub use enabled::{Enabled, Trouble, enabled};
pub use error::ClinicError;
pub use kind::CredentialKind;
pub use manage::{Configuration, Setting, Summary, add, configure, disable, list, seed, unheeded};
