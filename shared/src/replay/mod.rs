//! Replay jobs. A job is a row that the console creates and a worker runs. Neither keeps its progress in memory.

pub(crate) mod state;
mod under_way;

pub use state::{JobLetterState, JobState};
pub use under_way::{UnderWay, under_way};
