//! Raw limits: the servers without the product. The work is at least that of the product at the same point: confirmed, on disk,
//! in one transaction per batch.

pub(crate) mod http;
pub(crate) mod publish;
pub(crate) mod sql;
