//! The audit log, to be read by every admin and changed by nobody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::asked::Words;
use super::openapi::{Paged, Parameter, reading};
use super::problem::Problem;
use super::server::Api;
use crate::audit::{self, Entry};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(
        reading("audit", "/audit", "Who did what when, the last first")
            .query(&Parameter::PAGE)
            .lists::<Entry>("A page")
            .handled_by(get(list)),
    )
}

async fn list(State(api): State<Arc<Api>>, mut words: Words) -> Result<Json<Paged<Entry>>, Problem> {
    let page = words.page();
    words.end()?;
    Ok(Json(audit::list(&api.database, page).await?.into()))
}
