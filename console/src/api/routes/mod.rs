//! The routes, each with its description: one file for each resource.

mod audit;
mod dead_letters;
mod groups;
mod jobs;
mod me;
mod progress;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use super::state::Api;

/// Every route of the admin API.
pub(super) fn all() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(me::routes())
        .merge(dead_letters::routes())
        .merge(groups::routes())
        .merge(jobs::routes())
        .merge(progress::routes())
        .merge(audit::routes())
}
