//! The bearer token (API specification, "Authentication"; RFC 6750, 2.1). A token must never be compared itself: its digest is.

use std::sync::Arc;

use axum::http::HeaderMap;
use careq_http::bearer;
use careq_shared::clinics::Clinic;
use careq_shared::secret::Digest;
use chrono::{DateTime, Utc};
use subtle::{Choice, ConstantTimeEq as _};

use crate::directory::Directory;

/// The clinic that a token belongs to, and whether it does.
pub(super) fn clinic<'directory>(
    directory: &'directory Directory,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> (&'directory Arc<Clinic>, Choice) {
    let digest = Digest::of(bearer(headers).unwrap_or_default());
    match directory.find(&digest) {
        Some((clinic, token)) => {
            let is_current = Choice::from(u8::from(token.is_current(now)));
            (clinic, token.verifier.as_bytes().ct_eq(digest.as_bytes()) & is_current)
        }
        None => (directory.nobody(), Choice::from(0)),
    }
}
