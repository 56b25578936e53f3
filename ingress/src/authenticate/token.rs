//! The bearer token (API specification, "Authentication"; RFC 6750, 2.1). Tokens are compared by their digests only.

use std::sync::Arc;

use axum::http::HeaderMap;
use careq_http::bearer_token;
use careq_shared::clinics::Clinic;
use careq_shared::secret::Digest;
use chrono::{DateTime, Utc};
use subtle::{Choice, ConstantTimeEq as _};

use crate::clinic_cache::ClinicCache;

/// The clinic of the token, and whether the token is valid. An unknown token gets the placeholder clinic.
pub(super) fn clinic<'cache>(
    clinics: &'cache ClinicCache,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> (&'cache Arc<Clinic>, Choice) {
    // A missing token takes as long as an unknown one.
    let digest = Digest::of(bearer_token(headers).unwrap_or(""));
    match clinics.find(&digest) {
        Some((clinic, token)) => {
            let is_current = Choice::from(u8::from(token.is_current(now)));
            (clinic, token.verifier.as_bytes().ct_eq(digest.as_bytes()) & is_current)
        }
        None => (clinics.placeholder(), Choice::from(0)),
    }
}
