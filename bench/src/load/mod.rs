//! The load generator: webhooks of the simulator's bookings, sent by a client that uses little CPU time. The measurement
//! `generator` measures its own limit.

mod closed_loop;
mod connection;
mod load_result;
mod open_loop;
mod requests;

pub(crate) use closed_loop::{at_full_speed, each_once};
pub(crate) use connection::get;
pub(crate) use load_result::LoadResult;
pub(crate) use open_loop::at_rate;
pub(crate) use requests::Requests;
