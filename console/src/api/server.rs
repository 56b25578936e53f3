//! The router of the admin API.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use super::error::ApiError;
use super::middleware::{auth, request};
use super::openapi::document;
use super::routes;
use super::state::Api;

/// The path prefix of every route.
pub const PREFIX: &str = document::PREFIX;

impl Api {
    /// The routes below `/admin`.
    pub fn routes(self: Arc<Self>) -> Router {
        let (api, paths) = routes::all().split_for_parts();
        let api = api
            // Added before the layers, so that a request with a wrong method is authenticated, too.
            .method_not_allowed_fallback(|| async { careq_http::ApiError::method_not_allowed() })
            .layer(careq_http::catch_panics())
            .layer(from_fn_with_state(Arc::clone(&self), auth::authenticate));
        // The OpenAPI document is public: it holds no data of a clinic, and clients are generated from it before there is a token.
        let document = document::build(paths);
        let page = careq_http::documentation("/admin/docs", "/admin/openapi.json", &document);
        Router::new()
            .nest(PREFIX, api)
            .merge(page.method_not_allowed_fallback(|| async { careq_http::ApiError::method_not_allowed() }))
            .route("/admin/{*path}", axum::routing::any(|| async { ApiError::unknown_path() }))
            .layer(careq_http::catch_panics())
            .layer(from_fn_with_state(Arc::clone(&self), request::handle))
            .with_state(self)
    }
}
