//! Middleware of every route of the API: authentication and the rate limit. A request without a body is verified here, one with a body by
//! its handler. Only verified requests count against the clinic's rate: a token alone must not use up the rate of callers that sign.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::{ApiError, AuthFailure, Client, ClinicId};
use careq_shared::clock;

use crate::authenticate::Authenticated;
use crate::middleware::rate_limit::{self, Allowance};
use crate::response::error::{self, Overload};
use crate::state::Ingress;

/// Authenticates a request and applies the clinic's limits.
pub(crate) async fn handle(
    State(ingress): State<Arc<Ingress>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let client = *request.extensions().get::<Client>().ok_or_else(error::authentication_failed)?;
    let caller = Authenticated::by_headers(&ingress, client, request.headers())?;
    let (clinic, counted) = (Arc::clone(&caller.clinic), Arc::clone(&caller.counted));
    let in_flight = ingress.in_flight.take(&clinic.clinic_id);
    let _in_flight = in_flight.ok_or_else(|| error::overloaded(Overload::Requests))?;
    let response = run(caller, request, next).await.into_response();
    let mut response = match counted.request.get() {
        Some(allowance) => rate_limit::add_headers(counted.records.get().copied().or(*allowance), response),
        None if response.status().is_client_error() => {
            let allowance = ingress.rate_limiter.take_for_failure(&clinic, client.address, clock::now());
            match allowance.map_or(Ok(()), Allowance::check) {
                Ok(()) => response,
                Err(limited) => limited.with_extension(AuthFailure).into_response(),
            }
        }
        None => response,
    };
    response.extensions_mut().insert(ClinicId(clinic.clinic_id.clone()));
    Ok(response)
}

/// Passes the caller on to the handler. Only POST handlers read a body; any other request is verified here, as one that signs the
/// empty body.
async fn run(caller: Authenticated, mut request: Request, next: Next) -> Result<Response, ApiError> {
    if caller.is_verified() {
        caller.count()?;
    }
    if request.method() == Method::POST {
        request.extensions_mut().insert(caller);
    } else {
        request.extensions_mut().insert(caller.verify(Bytes::new())?);
    }
    Ok(next.run(request).await)
}
