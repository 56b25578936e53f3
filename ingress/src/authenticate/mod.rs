//! Authentication: one file per credential, and the caller that they identify.

mod address;
pub(crate) mod caller;
mod secret_header;
pub(crate) mod signature;
pub(crate) mod timestamp;
mod token;
