//! The worker: consumes accepted events from the broker and stores each exactly once.
//!
//! | folder | content |
//! |---|---|
//! | `assignment/` | the partitions of each consumer |
//! | `batch/` | a consumer's loop: decode, register batches, process, report, acknowledge |
//! | `transaction/` | one database transaction: load, decide in memory, write; the rules of one event, a file each |
//! | `waiting/` | events that wait for a parent record or for another attempt |
//! | `dead_letters/` | the rows of dead letters and the statements that change them |
//! | `replay/` | replay jobs |
//! | `retention/` | deletion of old rows |
//! | `db/` | retries, bounds and statements that every part uses |

mod assignment;
mod batch;
mod context;
mod db;
mod dead_letters;
mod fault;
mod item;
mod observe;
mod replay;
mod retention;
mod retry_policy;
mod transaction;
mod waiting;
mod worker;

pub use batch::{process, work};
pub use context::{Context, Settings, Stopped};
pub use waiting::unpark::{ReadyQueue, all as process_ready};
pub use worker::Worker;
