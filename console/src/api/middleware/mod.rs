//! The middleware of the admin API, outermost first: [`request`], then [`auth`].

pub(super) mod auth;
pub(super) mod request;
