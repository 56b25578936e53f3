//! The handlers, each with its description: one file for each resource.

pub(super) mod audit;
pub(super) mod dead_letters;
pub(super) mod jobs;
pub(super) mod me;
pub(super) mod progress;
