//! The clinic whose webhooks are sent.

/// Identifier of the clinic.
pub(crate) const CLINIC: &str = "clinic_abc";

/// Credentials of the clinic.
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) signing_secret: String,
}
