//! The caller of a request: authenticated by its headers, then verified by the signature of its body. The answer to a failure is the
//! same for every credential, and takes as long.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use careq_http::{ApiError, Client};
use careq_shared::clinics::Clinic;
use careq_shared::clock;

use super::signature::Signature;
use super::{address, secret_header, signature, timestamp, token};
use crate::clinic_cache::ClinicCache;
use crate::middleware::rate_limit::Allowance;
use crate::response::error;

/// A caller whose headers are authenticated, as an extractor of POST handlers. Its body is not verified yet.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) clinic: Arc<Clinic>,
    signature: Option<Signature>,
    /// The allowance of the clinic, once the request is verified and counted.
    pub(crate) counted: Arc<OnceLock<Option<Allowance>>>,
}

impl Authenticated {
    /// Whether the clinic requires no signature, so that the headers alone verify the request.
    pub(crate) fn is_verified(&self) -> bool {
        self.clinic.signing_secrets.is_empty()
    }
}

/// A verified body and its clinic. As an extractor of GET handlers, the verified empty body.
#[derive(Debug, Clone)]
pub(crate) struct Verified<B> {
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) body: B,
    /// Only [`verify`] can make a value.
    _private: (),
}

/// Authenticates the headers of a request. Every check runs, whatever the others give. An unknown token is checked against the
/// placeholder clinic, which has every credential, so the duration does not depend on the failure.
pub(crate) fn authenticate(
    clinics: &ClinicCache,
    client: Client,
    headers: &HeaderMap,
) -> Result<Authenticated, ApiError> {
    let now = clock::now();
    let (clinic, is_known) = token::clinic(clinics, headers, now);
    let signature = signature::sent(headers);
    let is_authenticated = is_known
        & secret_header::is_valid(headers, "x-api-key", &clinic.api_keys, now)
        & secret_header::is_valid(headers, "x-webhook-secret", &clinic.webhook_secrets, now)
        & timestamp::is_fresh(headers, !clinic.signing_secrets.is_empty(), now)
        & signature::is_present(signature, &clinic.signing_secrets)
        & address::is_allowed(client, &clinic.addresses);
    if !bool::from(is_authenticated) {
        return Err(error::authentication_failed());
    }
    Ok(Authenticated { clinic: Arc::clone(clinic), signature, counted: Arc::default() })
}

/// Verifies the signature over the raw body, if the clinic has a signing secret. A request without a body signs the empty one.
pub(crate) fn verify(caller: &Authenticated, body: Bytes) -> Result<Verified<Bytes>, ApiError> {
    let Authenticated { clinic, signature, .. } = caller;
    if bool::from(signature::is_valid(*signature, &body, &clinic.signing_secrets, clock::now())) {
        return Ok(Verified { clinic: Arc::clone(clinic), body, _private: () });
    }
    Err(error::authentication_failed())
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(error::authentication_failed)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Verified<Bytes> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(error::authentication_failed)
    }
}

/// An extractor of the caller.
pub(crate) trait Caller {}
impl Caller for Authenticated {}
impl Caller for Verified<Bytes> {}

/// The arguments of a handler whose first one is the caller. The router takes no other handler.
pub(crate) trait ArgumentsWithCaller {}
impl<M, C: Caller> ArgumentsWithCaller for (M, C) {}
impl<M, C: Caller, A> ArgumentsWithCaller for (M, C, A) {}
impl<M, C: Caller, A, B> ArgumentsWithCaller for (M, C, A, B) {}
impl<M, C: Caller, A, B, D> ArgumentsWithCaller for (M, C, A, B, D) {}
