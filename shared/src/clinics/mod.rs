//! The enabled clinics and the kinds of their secrets, for the ingress that verifies requests and the console that
//! changes clinics. The database stores the digest of a secret or its sealed value.

mod enabled;
pub(crate) mod kind;

pub use enabled::{Clinic, Credential, Enabled, Trouble, enabled};
pub use kind::CredentialKind;
