//! Who is calling, by what it proves. The answer to a failure must never tell which part was wrong.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use careq_shared::clinics::{self, Clinic};
use careq_shared::clock;
use subtle::ConstantTimeEq as _;

use crate::ingress::Ingress;
use crate::problem::Problem;

/// A caller whose headers prove a clinic; made nowhere but here.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) clinic: Arc<Clinic>,
}

/// A body that its caller stands for; made nowhere but here.
#[derive(Debug)]
pub(crate) struct Verified<B> {
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) body: B,
}

/// Checks what the headers prove: the bearer token (API specification, "Authentication"). An API key, a webhook secret and
/// an address list, where a clinic has them, belong here.
pub(crate) fn caller(ingress: &Ingress, headers: &HeaderMap) -> Result<Caller, Problem> {
    let directory = ingress.directory.borrow().clone().ok_or_else(Problem::not_ready)?;
    let digest = clinics::digest(bearer_token(headers).ok_or_else(Problem::authentication_failed)?);
    let (clinic, token) = directory.find(&digest).ok_or_else(Problem::authentication_failed)?;
    let is_same: bool = token.digest.as_bytes().ct_eq(digest.as_bytes()).into();
    let is_current = token.expires_at.is_none_or(|end| end > clock::now());
    if is_same && is_current {
        return Ok(Caller { clinic: Arc::clone(clinic) });
    }
    Err(Problem::authentication_failed())
}

/// Checks what a body proves. A signature over the raw bytes and its time stamp, where a clinic has a signing secret,
/// belong here.
pub(crate) fn body<B>(caller: Caller, body: B) -> Verified<B> {
    Verified { clinic: caller.clinic, body }
}

/// Checks that a body speaks of the caller's own clinic.
pub(crate) fn same_clinic(clinic: &Clinic, named: Option<&str>) -> Result<(), Problem> {
    match named {
        Some(named) if named != clinic.clinic_id => Err(Problem::authentication_failed()),
        _ => Ok(()),
    }
}

/// RFC 6750, 2.1; the scheme's name is not case-sensitive (RFC 9110, 11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
