//! Replay jobs: created from a selection of dead letters, listed, paused, resumed, cancelled. A job consists of rows. A worker executes
//! it, and another worker continues it if that one dies.

mod control;
pub(crate) mod job;
pub(crate) mod make;

pub use crate::limits::{DEFAULT_RATE_PER_SECOND, MAX_RATE_PER_SECOND};
pub use control::{cancel, pause, resume};
pub use job::{Job, JobLetter, Progress, find, get, letters, list};
pub use make::{Plan, make, plan};
