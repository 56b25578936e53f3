//! The HTTP client of the simulator: base URL, authentication, one exchange.

pub(crate) mod authenticator;
mod base_url;
pub(crate) mod http_client;
pub(crate) mod response;
