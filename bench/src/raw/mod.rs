//! What the servers do without us. It must do no less than ours does at that point: confirmed, on disk, in one transaction
//! a batch.

pub(crate) mod http;
pub(crate) mod publish;
pub(crate) mod sql;
