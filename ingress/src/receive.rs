//! Receives bodies from callers; results from workers are in [`crate::reply`], and answers to callers in [`crate::response`]. Bodies
//! are read into a memory budget, and CPU-bound work on large ones is kept off the async threads.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use careq_http::{ApiError, BodyLimits, Reservation};
use careq_shared::telemetry::traces::SPAN;
use http_body_util::BodyExt as _;
use tracing::{Instrument as _, info_span};

use crate::quota::Share;
use crate::response::error;
use crate::state::Ingress;

/// Maximum size of a small webhook body. A small body reserves no memory, needs no permit ([`Ingress::admit`]), and is processed on the
/// async thread. Most bodies are far smaller, and `ingress.max_requests` bounds their number.
pub(crate) const SMALL_BODY_BYTES: usize = 64 * 1_024;

/// Reads the whole body, of at most `max_bytes`. It reserves memory if it is larger than `small_bytes`.
pub(crate) async fn body(
    ingress: &Ingress,
    clinic_id: &str,
    request: Request,
    small_bytes: usize,
    max_bytes: usize,
) -> Result<(HeaderMap, Bytes, MemoryReservation), ApiError> {
    let (parts, body) = request.into_parts();
    let reserved = ingress.memory_budget.share(clinic_id);
    let reservation = MemoryReservation { reserved, small_bytes, bytes: 0 };
    let timeout = Duration::from_secs(ingress.settings.body_timeout_s);
    let limits = BodyLimits { max_bytes, timeout };
    let reading = careq_http::read_body_into(reservation, &parts.headers, body, limits);
    let (bytes, reservation) =
        reading.instrument(info_span!(target: SPAN, "receive")).await.map_err(error::from_body)?;
    Ok((parts.headers, bytes, reservation))
}

/// Runs CPU-bound work on a body of `body_bytes`. For a large body the runtime moves its other tasks to another thread first.
pub(crate) fn run_cpu_bound<T>(body_bytes: usize, work: impl FnOnce() -> T) -> T {
    if body_bytes > SMALL_BODY_BYTES { tokio::task::block_in_place(work) } else { work() }
}

/// Memory reserved for the body of a request, and for a batch then for its response. Dropping it returns the memory.
#[derive(Debug)]
pub(crate) struct MemoryReservation {
    reserved: Share,
    /// A body of at most this size reserves nothing.
    small_bytes: usize,
    bytes: usize,
}

impl MemoryReservation {
    /// Changes the size of the reservation; shrinking always succeeds. Returns `false` if the budget is exhausted.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let fits = self.reserved.resize(if bytes > self.small_bytes { bytes } else { 0 });
        if fits {
            self.bytes = bytes;
        }
        fits
    }

    /// Keeps the reservation until the body of the response is sent.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        let length = response.body().size_hint().exact();
        let mut response = response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                // The closure owns the reservation, so both are dropped with the body.
                let _kept = &self;
                frame
            }))
        });
        // The mapped body has no size hint.
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

impl Reservation for MemoryReservation {
    fn grow(&mut self, bytes: usize) -> bool {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Limit, Quota};

    #[test]
    fn a_small_body_reserves_nothing_and_a_larger_one_all_of_its_bytes() {
        let budget = Quota::new(Limit::Halving { total: 300 });
        let mut reservation = MemoryReservation { reserved: budget.share("a"), small_bytes: 64, bytes: 0 };
        assert!(reservation.grow(60) && reservation.grow(4));
        assert_eq!(budget.used_by("a"), 0);
        assert!(reservation.grow(1));
        assert_eq!(budget.used_by("a"), 65);
        assert!(reservation.resize(64));
        assert_eq!(budget.used_by("a"), 0);
    }
}
