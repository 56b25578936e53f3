//! Who calls, as a web console shows it: what may not be done need not be offered.

use std::sync::Arc;

use axum::Json;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::guard::Caller;
use super::openapi::reading;
use super::server::Api;
use crate::admins::Role;
use crate::schema;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(
        reading("me", "/me", "Who calls, and what it may do")
            .answers::<Me>("200", "The admin whose token it is")
            .handled_by(get(me)),
    )
}

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// As the audit log names it.
    name: String,
    #[schema(schema_with = schema::role)]
    role: Role,
}

async fn me(caller: Caller) -> Json<Me> {
    Json(Me { name: caller.admin.name, role: caller.admin.role })
}
