//! The description of an API as OpenAPI, and the page that shows it. Anyone may ask for them, so that an answer must never cost
//! memory of its own; nor may the page load or run anything but what is bundled.

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

/// Swagger UI has its scripts and styles in files, and icons as `data:` in its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Routes for a document at `json`, and for the page at `page`.
///
/// # Panics
/// The document cannot be written as JSON.
pub fn documentation<S: Clone + Send + Sync + 'static>(
    page: &'static str,
    json: &'static str,
    document: &OpenApi,
) -> Router<S> {
    #[expect(clippy::expect_used, reason = "a document of ours is JSON, as every start and every test shows")]
    let document = Bytes::from(serde_json::to_vec(document).expect("the document is JSON"));
    let answer = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json")], document) }
    };
    let page = SwaggerUi::new(page).config(Config::new([json]).validator_url("none"));
    Router::from(page).route(json, get(answer)).layer(map_response(secured))
}

async fn secured(mut response: Response) -> Response {
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
