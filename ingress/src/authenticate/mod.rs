//! The caller of a request: authenticated by its headers, then verified by the signature of its body. The answer to a failure is the
//! same for every credential, and takes as long. A handler extracts its caller, and reaches the ingress through it only.

mod secret_header;
pub(crate) mod signature;
pub(crate) mod timestamp;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use careq_http::{ApiError, Caller, Client, bearer_token, take_extension};
use careq_shared::clinics::Clinic;
use careq_shared::clock;
use careq_shared::secret::Digest;
use subtle::{Choice, ConstantTimeEq as _};

use signature::Signature;

use crate::middleware::rate_limit::{Allowance, Counted};
use crate::receive;
use crate::response::error;
use crate::state::Ingress;

/// A caller whose headers are authenticated, for POST handlers. Its body is not verified yet.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) ingress: Arc<Ingress>,
    pub(crate) clinic: Arc<Clinic>,
    signature: Option<Signature>,
    pub(crate) counted: Arc<Counted>,
}

/// A verified body and its clinic; for GET handlers, the verified empty body.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub(crate) ingress: Arc<Ingress>,
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) body: Bytes,
    /// Only [`Authenticated::verify`] makes a value.
    _private: (),
}

impl Caller for Authenticated {}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        take_extension(parts)
    }
}

impl Caller for Verified {}

impl<S: Send + Sync> FromRequestParts<S> for Verified {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        take_extension(parts)
    }
}

impl Authenticated {
    /// Authenticates the headers of a request. Every check runs, whatever the others give. An unknown token is checked against the
    /// placeholder clinic, which has every credential, so the duration does not depend on the failure.
    pub(crate) fn by_headers(
        ingress: &Arc<Ingress>,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let clinics = ingress.clinics.borrow().clone();
        let starting = || ApiError::unavailable("The service is starting; please send the request again");
        let (clinics, now) = (clinics.ok_or_else(starting)?, clock::now());
        // A missing token takes as long as an unknown one. Tokens are compared by their digests only.
        let digest = Digest::new(bearer_token(headers).unwrap_or(""));
        let (clinic, is_known) = match clinics.by_digest.get(&digest) {
            Some((clinic, token)) => {
                let is_current = Choice::from(u8::from(token.is_current(now)));
                (clinic, token.verifier.as_bytes().ct_eq(digest.as_bytes()) & is_current)
            }
            None => (&clinics.placeholder, Choice::from(0)),
        };
        let signature = signature::sent(headers);
        let networks = &clinic.addresses;
        let is_authenticated = is_known
            & secret_header::is_valid(headers, "x-api-key", &clinic.api_keys, now)
            & secret_header::is_valid(headers, "x-webhook-secret", &clinic.webhook_secrets, now)
            & timestamp::is_fresh(headers, !clinic.signing_secrets.is_empty(), now)
            & signature::is_present(signature, &clinic.signing_secrets)
            & Choice::from(u8::from(networks.is_empty() || client.is_in(networks)));
        if !bool::from(is_authenticated) {
            return Err(error::authentication_failed());
        }
        let (ingress, clinic) = (Arc::clone(ingress), Arc::clone(clinic));
        Ok(Self { ingress, clinic, signature, counted: Arc::default() })
    }

    /// Whether the clinic requires no signature, so that the headers alone verify the request.
    pub(crate) fn is_verified(&self) -> bool {
        self.clinic.signing_secrets.is_empty()
    }

    /// Verifies the signature over the raw body, if the clinic has a signing secret, and counts the request against the clinic's rate.
    pub(crate) fn verify(&self, body: Bytes) -> Result<Verified, ApiError> {
        let secrets = &self.clinic.signing_secrets;
        let is_valid = || signature::is_valid(self.signature, &body, secrets, clock::now());
        if !bool::from(receive::run_cpu_bound(body.len(), is_valid)) {
            return Err(error::authentication_failed());
        }
        if !self.is_verified() {
            self.count()?;
        }
        let (ingress, clinic) = (Arc::clone(&self.ingress), Arc::clone(&self.clinic));
        Ok(Verified { ingress, clinic, body, _private: () })
    }

    /// Counts the request against the clinic's rate.
    pub(crate) fn count(&self) -> Result<(), ApiError> {
        let allowance = self.ingress.rate_limiter.take(&self.clinic, clock::now());
        self.counted.request.get_or_init(|| allowance);
        allowance.map_or(Ok(()), Allowance::check)
    }

    /// Counts the records of a batch against the clinic's rate, if they cost tokens (`ingress.rate_records_per_token`).
    pub(crate) fn count_records(&self, records: usize) -> Result<(), ApiError> {
        let allowance = self.ingress.rate_limiter.take_for_records(&self.clinic, records, clock::now());
        let Some(allowance) = allowance else { return Ok(()) };
        self.counted.records.get_or_init(|| allowance);
        allowance.check()
    }
}
