//! The audit log, which every role can read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::error::Answer;
use crate::api::query::Query;
use crate::api::state::Api;
use crate::audit::entries::{self, Entry};
use crate::page::{Page, PageRequest};

/// The entries of the audit log, newest first.
#[utoipa::path(
    get,
    path = "/audit",
    params(PageRequest),
    responses((status = 200, description = "A page", body = Page<Entry>))
)]
pub(crate) async fn audit(
    State(api): State<Arc<Api>>,
    Query(page, ..): Query<PageRequest>,
) -> Answer<Page<Entry>> {
    Ok(Json(entries::list(&api.database, page).await?))
}
