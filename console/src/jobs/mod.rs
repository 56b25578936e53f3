//! Replay jobs: made from a filter, looked at, paused, resumed, cancelled. A job is rows and nothing else; a worker carries it out,
//! and any other goes on where that one died.

mod make;

mod list;

mod control;

pub use control::{cancel, pause, resume};
pub use list::{Job, JobLetter, Progress, find, get, letters, list};
pub use make::{Plan, make, plan};

pub(crate) use make::within;

/// The rate of a job that names none, in letters per second: live traffic does not notice it.
pub const USUAL_PER_SECOND: u32 = 100;

/// The highest rate, in letters per second.
pub const FASTEST_PER_SECOND: u32 = 10_000;
