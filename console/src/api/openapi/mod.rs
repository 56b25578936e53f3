//! The admin API as an OpenAPI 3.1 document. Bodies and query parameters are described by the types that are read and written. A route
//! is registered together with its description.

pub(super) mod bodies;
pub(super) mod document;
pub(super) mod operation;
pub(super) mod parameter;
