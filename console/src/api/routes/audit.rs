//! The audit log, which every role can read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::extract::query::Query;
use crate::api::openapi::bodies::Paged;
use crate::api::openapi::operation::reading;
use crate::api::state::Api;
use crate::audit::entries::{self, Entry};
use crate::page::PageRequest;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(
        reading("audit", "/audit", "Who did what when, the last first")
            .query::<PageRequest>()
            .lists::<Entry>("A page")
            .handled_by(get(list)),
    )
}

async fn list(
    State(api): State<Arc<Api>>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Paged<Entry>>, ApiError> {
    Ok(Json(entries::list(&api.database, page).await?.into()))
}
