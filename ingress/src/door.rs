//! The door: who is it, and may it come in now. Every request of CareQ's side passes here, and its one log line is
//! written here. The line must never hold more than names of routes, clinics and numbers.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::answer::CareqId;
use crate::ingress::Ingress;
use crate::{authenticate, limit};

/// Authenticates, limits, lets in, and logs.
pub(crate) async fn guard(State(ingress): State<Arc<Ingress>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut clinic_id = None;
    let response = match authenticate::caller(&ingress, request.headers()) {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            clinic_id = Some(caller.clinic.clinic_id.clone());
            match ingress.limiter.take(&caller.clinic.clinic_id) {
                Err(refusal) => refusal.into_response(),
                Ok(allowance) => {
                    request.extensions_mut().insert(caller);
                    limit::announce(allowance, next.run(request).await)
                }
            }
        }
    };
    tracing::info!(
        method = method.as_str(),
        endpoint = route.as_ref().map(MatchedPath::as_str),
        clinic_id,
        careq_id = response.extensions().get::<CareqId>().map(|careq_id| careq_id.0),
        status = response.status().as_u16(),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    response
}
