//! The webhook API. It authenticates a request, validates its fields, and acknowledges it when the broker has confirmed the message. It
//! does not write to the database, and accepting a webhook does not read it.

mod authenticate;
mod batch;
mod batch_admission;
mod clinic_cache;
mod middleware;
mod openapi;
mod paths;
mod publish;
mod quota;
mod receive;
mod reply;
mod response;
mod server;
mod state;
mod status;
mod validate;
mod webhook;

pub use authenticate::signature::Signature;
pub use authenticate::timestamp::Timestamp;
pub use server::run;
pub use state::{Ingress, Parts};
