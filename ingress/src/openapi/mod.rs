//! The API as an OpenAPI 3.1 document. Request bodies are described by the field rules that validate them, and each route is defined
//! together with its description.

mod bodies;
pub(crate) mod document;
mod examples;
pub(crate) mod operations;
mod responses;
mod schema;
