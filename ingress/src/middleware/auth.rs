//! Middleware of every route of the API: authentication and the rate limit. A request without a body is verified here, one with a body by
//! its handler. Only verified requests count against the clinic's rate: a token alone must not use up the rate of callers that sign.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::{ApiError, AuthFailure, Client, ClinicId};

use crate::authenticate::caller::{self, Authenticated, Verified};
use crate::middleware::rate_limit::{self, RateLimited};
use crate::response::error::{self, Overload};
use crate::state::Ingress;

/// Authenticates a request and applies the clinic's limits.
pub(crate) async fn handle(State(ingress): State<Arc<Ingress>>, request: Request, next: Next) -> Response {
    let Some(client) = request.extensions().get::<Client>().copied() else {
        return error::authentication_failed().into_response();
    };
    let caller = match authenticate(&ingress, client, &request) {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let (clinic, counted) = (Arc::clone(&caller.clinic), Arc::clone(&caller.counted));
    let Some(_in_flight) = ingress.in_flight.enter(&clinic.clinic_id) else {
        return error::overloaded(Overload::Requests).into_response();
    };
    let response = run(&ingress, caller, request, next).await.unwrap_or_else(ApiError::into_response);
    let mut response = match counted.get() {
        Some(allowance) => rate_limit::add_headers(*allowance, response),
        None if response.status().is_client_error() => {
            match ingress.rate_limiter.take_for_failure(&clinic, client.address) {
                Ok(()) => response,
                Err(limited) => limited.into_error().with_extension(AuthFailure).into_response(),
            }
        }
        None => response,
    };
    response.extensions_mut().insert(ClinicId(clinic.clinic_id.clone()));
    response
}

fn authenticate(ingress: &Ingress, client: Client, request: &Request) -> Result<Authenticated, ApiError> {
    let clinics = ingress.clinics.borrow().clone().ok_or_else(|| {
        ApiError::unavailable("The service is starting; please send the request again")
    })?;
    caller::authenticate(&clinics, client, request.headers())
}

/// Passes the caller on to the handler. Only POST handlers read a body; any other request is verified here, as one that signs the
/// empty body.
async fn run(
    ingress: &Ingress,
    caller: Authenticated,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if caller.is_verified() {
        count(ingress, &caller)?;
    }
    if request.method() == Method::POST {
        request.extensions_mut().insert(caller);
    } else {
        request.extensions_mut().insert(verify(ingress, &caller, Bytes::new())?);
    }
    Ok(next.run(request).await)
}

/// Verifies the signature of a body, and counts the request against the clinic's rate.
pub(crate) fn verify(
    ingress: &Ingress,
    caller: &Authenticated,
    body: Bytes,
) -> Result<Verified<Bytes>, ApiError> {
    let verified = caller::verify(caller, body)?;
    if !caller.is_verified() {
        count(ingress, caller)?;
    }
    Ok(verified)
}

fn count(ingress: &Ingress, caller: &Authenticated) -> Result<(), ApiError> {
    let taken = ingress.rate_limiter.take(&caller.clinic);
    let allowance = taken.unwrap_or_else(|limited| Some(limited.allowance));
    caller.counted.get_or_init(|| allowance);
    taken.map(drop).map_err(RateLimited::into_error)
}
