//! The audit log, which every role can read.

use axum::Json;

use crate::api::auth::Authenticated;
use crate::api::error::Answer;
use crate::api::query::Query;
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
    Authenticated { api, .. }: Authenticated,
    Query(page, ..): Query<PageRequest>,
) -> Answer<Page<Entry>> {
    Ok(Json(entries::list(&api.database, page).await?))
}
