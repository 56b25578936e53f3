//! `GET /health` (API specification, section 8).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use careq_http::{ApiError, timestamp};
use serde::Serialize;

use crate::authenticate::caller::Verified;
use crate::response::error;
use crate::state::Ingress;

/// The body of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    success: bool,
    status: &'static str,
    version: &'static str,
    timestamp: String,
}

pub(crate) async fn handle(
    _: Verified<Bytes>,
    State(ingress): State<Arc<Ingress>>,
) -> Result<Json<Health>, ApiError> {
    if !ingress.is_ready() {
        return Err(error::broker_unavailable());
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(Health { success: true, status: "operational", version, timestamp: timestamp() }))
}
