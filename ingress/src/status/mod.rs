//! The status pages and `/health`. They read the database; a clinic sees only its own records.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod health;
mod query;
pub(crate) mod record;
mod stored_result;
