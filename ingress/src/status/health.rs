//! `GET /health` (API specification, section 8).

use axum::Json;
use careq_http::{ApiError, timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authenticate::Verified;
use crate::response::error;

/// The body of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(schema_with = careq_http::always::<true>)]
    success: bool,
    #[schema(pattern = "^operational$")]
    status: &'static str,
    /// The product's version.
    version: &'static str,
    /// The time of the answer.
    #[schema(format = DateTime)]
    timestamp: String,
}

/// Whether events are accepted
#[utoipa::path(
    get, path = "/health", operation_id = "health",
    responses((status = 200, description = "Operational", body = ref("#/components/schemas/Health"))),
)]
pub(crate) async fn handle(Verified { ingress, .. }: Verified) -> Result<Json<Health>, ApiError> {
    if !ingress.is_ready() {
        return Err(error::broker_unavailable());
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(Health { success: true, status: "operational", version, timestamp: timestamp() }))
}
