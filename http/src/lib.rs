//! HTTP server parts that the ingress, the admin API and the operations port share. They know no route and no credential.

mod auth_failures;
mod body;
mod caller;
mod client;
mod connections;
mod documentation;
mod error;
mod header;
mod listen;
mod request_log;

pub use auth_failures::{AuthFailure, AuthFailures};
pub use body::{BodyError, BodyLimits, Reservation, read_body, read_body_into, read_document};
pub use caller::{Caller, CallerFirst, CallerRouter, take_extension};
pub use client::{Client, PeerAddress, network};
pub use documentation::documentation;
pub use error::{ApiError, ErrorBody, ErrorDetail, always, catch_panics, timestamp};
pub use header::{HeaderError, bearer_token, single_header};
pub use listen::{ConnectionLimits, serve};
pub use request_log::{AdminName, CareqId, ClinicId, RequestLog};
#[doc(hidden)] // For `described!`.
pub use utoipa_axum::routes;

/// A handler, and its route as `#[utoipa::path]` describes it.
#[macro_export]
macro_rules! described {
    ($($handler:ident)::+) => {
        ($($handler)::+, $crate::routes!($($handler)::+))
    };
}
