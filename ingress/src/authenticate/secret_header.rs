//! `X-API-Key` and `X-Webhook-Secret` (API specification, "Authentication"). Where a clinic has one, it must be there; where it
//! has none, the header must never matter.

use axum::http::HeaderMap;
use careq_http::single;
use careq_shared::clinics::Credential;
use careq_shared::secret::Digest;
use chrono::{DateTime, Utc};
use subtle::{Choice, ConstantTimeEq as _};

/// Whether a header proves one of the secrets.
pub(super) fn proves(
    headers: &HeaderMap,
    name: &str,
    secrets: &[Credential<Digest>],
    now: DateTime<Utc>,
) -> Choice {
    let sent = Digest::of(single(headers, name).ok().flatten().unwrap_or_default());
    let is_this = |secret: &Credential<Digest>| {
        secret.verifier.as_bytes().ct_eq(sent.as_bytes()) & Choice::from(u8::from(secret.is_current(now)))
    };
    let nothing_asked = Choice::from(u8::from(secrets.is_empty()));
    secrets.iter().fold(nothing_asked, |proven, secret| proven | is_this(secret))
}
