//! The authenticated caller: a web console offers only the actions of its role.

use std::sync::Arc;

use axum::Json;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::admins::role::Role;
use crate::api::middleware::auth::Authenticated;
use crate::api::openapi::operation::reading;
use crate::api::state::Api;
use crate::schema;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(
        reading("me", "/me", "Who calls, and what it may do")
            .responds::<Me>("200", "The admin whose token it is")
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

async fn me(caller: Authenticated) -> Json<Me> {
    Json(Me { name: caller.admin.name, role: caller.admin.role })
}
