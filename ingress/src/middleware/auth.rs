//! The door of the API: who is it, and may it come in now. A request must never reach a handler but through here, and one
//! without a body never without its signature checked. Only what is verified is counted for its clinic: a token alone must not use
//! up the rate of those who sign.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::{Client, ClinicId, Unproven};

use crate::authenticate::{self, Caller, Verified};
use crate::ingress::Ingress;
use crate::limit;
use crate::overload::Overload;
use crate::problem::Problem;

/// Authenticates, limits, lets in.
pub(crate) async fn guard(State(ingress): State<Arc<Ingress>>, request: Request, next: Next) -> Response {
    let Some(client) = request.extensions().get::<Client>().copied() else {
        return Problem::authentication_failed().into_response();
    };
    let caller = match authenticate::head(&ingress, client, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let (clinic, counted) = (Arc::clone(&caller.clinic), Arc::clone(&caller.counted));
    let Some(_in_hand) = ingress.in_hand.enter(&clinic.clinic_id) else {
        return Overload::Requests.refuse().into_response();
    };
    let response = enter(&ingress, caller, request, next).await.unwrap_or_else(Problem::into_response);
    let mut response = match counted.get() {
        Some(allowance) => limit::announce(*allowance, response),
        None if response.status().is_client_error() => match ingress.limiter.fail(&clinic, client.address) {
            Ok(()) => response,
            Err(refusal) => unproven(refusal.problem()),
        },
        None => response,
    };
    response.extensions_mut().insert(ClinicId(clinic.clinic_id.clone()));
    response
}

/// Only a POST has a body whose handler has it verified; whatever else comes is verified here, as signing nothing.
async fn enter(
    ingress: &Ingress,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
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

/// Checks what a body proves, and counts the request for its clinic.
pub(crate) fn verify(ingress: &Ingress, caller: &Caller, body: Bytes) -> Result<Verified<Bytes>, Problem> {
    let verified = authenticate::body(caller, body)?;
    if !caller.is_verified() {
        count(ingress, caller)?;
    }
    Ok(verified)
}

fn count(ingress: &Ingress, caller: &Caller) -> Result<(), Problem> {
    let taken = ingress.limiter.take(&caller.clinic);
    let allowance = taken.unwrap_or_else(|refusal| Some(refusal.allowance));
    caller.counted.get_or_init(|| allowance);
    taken.map(drop).map_err(limit::Refusal::problem)
}

fn unproven(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.extensions_mut().insert(Unproven);
    response
}
