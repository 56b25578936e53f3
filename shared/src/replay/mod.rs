//! The words of replay jobs. Jobs are rows that the console makes and a worker carries out; neither must ever keep a job's progress
//! in its memory.

pub(crate) mod state;
mod under_way;

pub use state::{JobLetterState, JobState};
pub use under_way::{UnderWay, under_way};
