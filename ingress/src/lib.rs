//! The HTTP API for CareQ: webhooks, batches, status pages and their description. A webhook is authenticated, validated, and acknowledged
//! when the broker has confirmed its message. The ingress never writes to the database. It reads the clinics and the status pages from
//! it, and nothing to accept a webhook.

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

// For the fuzz targets.
pub use authenticate::signature::Signature;
pub use authenticate::timestamp::Timestamp;
pub use server::run;
pub use state::{Ingress, Parts};
