//! The extractors of the admin API: ids in paths, query parameters, JSON bodies.

pub(super) mod body;
pub(super) mod filter;
pub(super) mod page;
pub(super) mod path_id;
pub(super) mod query;
mod values;
