//! JSON of requests. It is never parsed into a [`serde_json::Value`]: its sender would choose the time and the
//! memory, and members with names that `serde_json` reserves (`$serde_json::private::…`) would become something else.
//! It stays text in its canonical spelling, and values are read on use. An error does not quote the body.

mod document;
mod error;
mod raw;

pub use document::Document;
pub use error::{MAX_DEPTH, MAX_VALUES, NotAnObject};
pub use raw::{Object, Raw};

#[cfg(test)]
mod tests;
