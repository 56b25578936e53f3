//! The OpenAPI document as a whole: its information, security schemes and components.

use std::sync::Arc;

use axum::routing::MethodRouter;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, Server};
use utoipa_axum::router::UtoipaMethodRouter;

use super::bodies;
use crate::paths::API;
use crate::state::Ingress;

const DESCRIPTION: &str = "Takes CareQ's webhooks (API specification 1.0.0). Every request needs the clinic's bearer token. A \
    clinic may also have an API key (`X-API-Key`), a webhook secret (`X-Webhook-Secret`), a list of networks, and a signing \
    secret; each of these that the clinic has is required. With a signing secret, `X-CareQ-Signature` and `X-CareQ-Timestamp` are \
    required on every request, and a GET signs the empty body. The answer to a missing or wrong credential is the same 401 for all \
    of them.";

/// A route with its description.
pub(crate) fn route(
    path: &str,
    operation: Operation,
    handler: MethodRouter<Arc<Ingress>>,
) -> UtoipaMethodRouter<Arc<Ingress>> {
    let method = if operation.request_body.is_some() { HttpMethod::Post } else { HttpMethod::Get };
    careq_http::documented_route(method, path, operation, handler)
}

/// Completes the document of the routes.
pub(crate) fn with_components(routes: OpenApi) -> OpenApi {
    let mut document = routes;
    document.info = InfoBuilder::new()
        .title("careq-sync")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    document.servers = Some(vec![Server::new(API)]);
    let components = ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme("api_key", header("X-API-Key"))
        .security_scheme("webhook_secret", header("X-Webhook-Secret"))
        .schema("Success", bodies::success())
        .schema("Error", bodies::error())
        .schema("Settled", bodies::completed())
        .schema("Queued", bodies::queued())
        .schema("BatchReport", bodies::batch_report())
        .schema("EventPage", bodies::event_page())
        .schema("RecordPage", bodies::record_page())
        .schema("Health", bodies::health());
    document.components = Some(components.build());
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}

fn header(name: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)))
}
