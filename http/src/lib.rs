//! What every HTTP port has in common: connections with limits, bodies with limits, bearer tokens, patience with those who fail,
//! request lines, and routes that come with their description. It must never know a route, nor whom a token belongs to.

mod body;
mod client;
mod connections;
mod described;
mod documentation;
mod failures;
mod header;
mod listen;
mod log;
mod trace;

pub use body::{BodyFault, BodyLimits, Share, body, body_into, require_json};
pub use client::{Client, network};
pub use described::described;
pub use documentation::documentation;
pub use failures::{Failures, Unproven};
pub use header::{SentTwiceOrUnreadable, bearer, single};
pub use listen::{Limits, Peer, serve};
pub use log::{AdminName, CareqId, ClinicId, Explanation, RequestLine};
