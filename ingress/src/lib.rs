//! The HTTP edge: it authenticates a webhook, checks its fields, and acknowledges it when the broker has confirmed it. It
//! must never write to the database, nor need it for a webhook.

mod server;

mod ingress;

mod edge;

mod door;

mod authenticate;

mod directory;

mod limit;

mod by_clinic;

mod overload;

mod webhook;

mod batch;

mod receive;

mod room;

mod admission;

mod compute;

mod validate;

mod publish;

mod prefer;

mod results;

mod answer;

mod problem;

mod trace;

mod known;

mod pages;

mod openapi;

mod report;

pub use authenticate::{Signature, Timestamp};
pub use directory::Directory;
pub use ingress::{API, Ingress, Parts};
pub use server::run;
