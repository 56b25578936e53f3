//! A route comes into being together with its description: what runs is described, and what is described runs.

use axum::routing::MethodRouter;
use utoipa::openapi::path::{HttpMethod, Operation, Paths};
use utoipa_axum::router::UtoipaMethodRouter;

/// One route with its description. The handler must take this method.
pub fn described<S>(
    method: HttpMethod,
    path: &str,
    operation: Operation,
    handler: MethodRouter<S>,
) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let mut paths = Paths::new();
    paths.add_path_operation(path, vec![method], operation);
    (Vec::new(), paths, handler)
}
