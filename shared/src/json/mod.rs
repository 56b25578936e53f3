//! JSON from outside. It is never made into a [`serde_json::Value`]: that takes time and memory which its sender chooses, and members
//! with names that `serde_json` keeps for itself (`$serde_json::private::…`) for something else. It stays text, in its canonical
//! spelling, and what is in it is read where it is needed. A fault must never be told with the bytes that it was found in.

mod document;
mod error;
mod limits;
mod raw;
mod scan;

pub use document::Document;
pub use error::NotAnObject;
pub use limits::{MAX_DEPTH, MAX_VALUES};
pub use raw::{Object, Raw};

#[cfg(test)]
mod tests;
