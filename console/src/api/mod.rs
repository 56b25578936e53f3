//! The admin API: the operations over HTTP, for scripts and a web console. A handler extracts the request, calls the library and
//! responds; it has no rules of its own. Every route requires the token of an admin.

mod auth;
mod body;
mod error;
mod query;
mod request;
mod routes;
mod server;
mod state;

pub use server::PREFIX;
pub use state::{Api, Dependencies};
