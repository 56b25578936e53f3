//! Middleware around every route: the request limits, authentication, and the rate limit.

pub(crate) mod auth;
pub(crate) mod rate_limit;
pub(crate) mod request;
