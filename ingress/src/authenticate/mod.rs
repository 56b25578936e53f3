//! Who is calling, by everything that its clinic has to prove. The answer to a failure must never tell which part was wrong,
//! neither in words nor in time.

mod address;

mod token;

mod secret_header;

mod timestamp;

mod signature;

pub use signature::Signature;
pub use timestamp::Timestamp;

use std::sync::{Arc, OnceLock};

use axum::http::HeaderMap;
use bytes::Bytes;
use careq_http::Client;
use careq_shared::clinics::Clinic;
use careq_shared::clock;

use crate::ingress::Ingress;
use crate::limit::Allowance;
use crate::problem::Problem;

/// A caller whose head proves a clinic; made nowhere but here. What it sends proves nothing yet.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) clinic: Arc<Clinic>,
    signature: Option<Signature>,
    /// What is left to the clinic, once the request is verified and counted.
    pub(crate) counted: Arc<OnceLock<Option<Allowance>>>,
}

impl Caller {
    /// Whether its head proves everything that its clinic asks for.
    pub(crate) fn is_verified(&self) -> bool {
        self.clinic.signing_secrets.is_empty()
    }
}

/// A body that its caller stands for; made nowhere but here.
#[derive(Debug, Clone)]
pub(crate) struct Verified<B> {
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) body: B,
}

/// Checks what the head of a request proves. Every check is made, whatever the others say, and for an unknown token against a
/// clinic that asks for everything: how long it takes tells nothing.
pub(crate) fn head(ingress: &Ingress, client: Client, headers: &HeaderMap) -> Result<Caller, Problem> {
    let directory = ingress.directory.borrow().clone().ok_or_else(Problem::not_ready)?;
    let now = clock::now();
    let (clinic, is_known) = token::clinic(&directory, headers, now);
    let signature = signature::sent(headers);
    let is_proven = is_known
        & secret_header::proves(headers, "x-api-key", &clinic.api_keys, now)
        & secret_header::proves(headers, "x-webhook-secret", &clinic.webhook_secrets, now)
        & timestamp::is_fresh(headers, !clinic.signing_secrets.is_empty(), now)
        & signature::is_there(signature, &clinic.signing_secrets)
        & address::is_allowed(client, &clinic.addresses);
    if !bool::from(is_proven) {
        return Err(Problem::authentication_failed());
    }
    Ok(Caller { clinic: Arc::clone(clinic), signature: signature.ok().flatten(), counted: Arc::default() })
}

/// Checks what a body proves: the signature over its raw bytes, where its clinic has a signing secret. A request without a
/// body signs the empty one.
pub(crate) fn body(caller: &Caller, body: Bytes) -> Result<Verified<Bytes>, Problem> {
    let Caller { clinic, signature, .. } = caller;
    if bool::from(signature::proves(*signature, &body, &clinic.signing_secrets, clock::now())) {
        return Ok(Verified { clinic: Arc::clone(clinic), body });
    }
    Err(Problem::authentication_failed())
}

/// Checks that a body speaks of the caller's own clinic.
pub(crate) fn same_clinic(clinic: &Clinic, named: Option<&str>) -> Result<(), Problem> {
    match named {
        Some(named) if named != clinic.clinic_id => Err(Problem::authentication_failed()),
        _ => Ok(()),
    }
}
