//! The authenticated caller: a web console offers only the actions of its role.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admins::token::Role;
use crate::api::auth::Authenticated;
use crate::api::query::Query;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// The name, as in the audit log.
    name: String,
    role: Role,
}

/// The caller and its role.
#[utoipa::path(get, path = "/me", responses((status = 200, description = "The admin with the token", body = Me)))]
pub(crate) async fn me(caller: Authenticated, _: Query) -> Json<Me> {
    Json(Me { name: caller.admin.name, role: caller.admin.role })
}
