//! The answers of the API.

pub(crate) mod batch_report;
pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod outcome;
