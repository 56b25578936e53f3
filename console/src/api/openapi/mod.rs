//! The admin API as an OpenAPI 3.1 document. Bodies are described by the types that are read and written, query parameters by the types
//! that extract them, and a route is registered together with its description.

pub(super) mod bodies;
pub(super) mod document;
pub(super) mod operation;
pub(super) mod parameter;
