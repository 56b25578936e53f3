//! The workers: they take accepted events from the broker and make them true in the database, each exactly once. They
//! must never speak HTTP, and never settle a message whose outcome is not committed.

mod worker;

mod lane;

mod decode;

mod admit;

mod order;

mod transaction;

mod attempt;

mod health;

mod novelty;

mod working_set;

mod arrays;

mod lookup;

mod apply;

mod dedupe;

mod resolve;

mod fold;

mod persist;

mod insert;

mod bounds;

mod report;

mod park;

mod patience;

mod wake;

mod sweep;

mod turn;

mod retry;

mod replay;

mod retention;

mod dead_letters;

mod fault;

mod observe;

pub use lane::Lane;
pub use wake::Waking;
pub use worker::{Settings, Worker};
