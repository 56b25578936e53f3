//! Waiting for the worker's result before the answer.

pub(crate) mod pending;
pub(crate) mod prefer;
