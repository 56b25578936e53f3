//! The load generator: webhooks of the simulator's bookings, sent by a client that uses little CPU time. The measurement
//! `generator` measures its own limit.

mod connection;
mod load_result;
mod requests;
mod send;

pub(crate) use connection::get;
pub(crate) use load_result::LoadResult;
pub(crate) use requests::{CLINIC, Credentials, Requests};
pub(crate) use send::{at_full_speed, at_rate, each_once};
