//! The door of the API: who is it, and may it come in now. A request must never reach a handler but through here, and one
//! without a body never without its signature checked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::{Client, ClinicId};
use careq_shared::telemetry::metrics::{No, metrics};

use crate::authenticate::{self, Caller};
use crate::ingress::Ingress;
use crate::limit;
use crate::problem::Problem;

/// Authenticates, limits, lets in.
pub(crate) async fn guard(State(ingress): State<Arc<Ingress>>, request: Request, next: Next) -> Response {
    let caller = match caller(&ingress, &request) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let clinic = Arc::clone(&caller.clinic);
    let mut response = match ingress.limiter.take(&clinic) {
        Ok(allowance) => limit::announce(allowance, enter(caller, request, next).await),
        Err(refusal) => {
            metrics().rate_limited_requests.get_or_create(&No {}).inc();
            refusal.into_response()
        }
    };
    response.extensions_mut().insert(ClinicId(clinic.clinic_id.clone()));
    response
}

fn caller(ingress: &Ingress, request: &Request) -> Result<Caller, Problem> {
    let client = request.extensions().get::<Client>().copied().ok_or_else(Problem::authentication_failed)?;
    authenticate::head(ingress, client, request.headers())
}

/// Only a POST has a body whose handler checks its signature; whatever else comes is checked here, as signing nothing.
async fn enter(caller: Caller, mut request: Request, next: Next) -> Response {
    if request.method() == Method::POST {
        request.extensions_mut().insert(caller);
    } else {
        match authenticate::body(caller, Bytes::new()) {
            Ok(verified) => request.extensions_mut().insert(verified),
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}
