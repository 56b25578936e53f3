//! The routes of an OpenAPI document, and of the page that shows it. They need no authentication, so an answer allocates nothing, and
//! the content security policy allows bundled scripts only.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Swagger UI loads its scripts and styles from files, and its styles contain icons as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Routes for the document at `json`, and for Swagger UI at `page`.
///
/// # Panics
/// The document cannot be written as JSON.
pub fn documentation<S: Clone + Send + Sync + 'static>(
    page: &'static str,
    json: &'static str,
    document: &OpenApi,
) -> Router<S> {
    #[expect(clippy::expect_used, reason = "an OpenAPI document has string keys only, so it is always JSON")]
    let document = Bytes::from(serde_json::to_vec(document).expect("the document is JSON"));
    let answer = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json")], document) }
    };
    let page = SwaggerUi::new(page).config(Config::new([json]).validator_url("none"));
    Router::from(page).route(json, get(answer)).layer(map_response(add_security_headers))
}

async fn add_security_headers(mut response: Response) -> Response {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
