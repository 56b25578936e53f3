//! The API as an OpenAPI 3.1 document. It must never be kept beside the code by hand: request bodies are described by the field
//! rules that read them, and a route comes into being together with its description.

mod answers;
mod bodies;
mod examples;
mod operations;
mod schema;

pub(crate) use operations::{batch, batch_page, event_page, health, record_page, webhook};

use std::sync::Arc;

use axum::routing::MethodRouter;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, Server};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::ingress::{API, Ingress};

const DESCRIPTION: &str = "Takes CareQ's webhooks (API specification 1.0.0). Every request needs the clinic's bearer token. A \
    clinic may also have an API key (`X-API-Key`), a webhook secret (`X-Webhook-Secret`), a list of networks, and a signing \
    secret; whatever it has is required. With a signing secret, `X-CareQ-Signature` and `X-CareQ-Timestamp` are required on every \
    request, and a GET signs the empty body. Whatever is wrong with these, the answer is the same 401.";

/// One route with its description.
pub(crate) fn described(
    path: &str,
    operation: Operation,
    handler: MethodRouter<Arc<Ingress>>,
) -> UtoipaMethodRouter<Arc<Ingress>> {
    let method = if operation.request_body.is_some() { HttpMethod::Post } else { HttpMethod::Get };
    careq_http::described(method, path, operation, handler)
}

/// The document of the described routes.
pub(crate) fn document(routes: OpenApi) -> OpenApi {
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
        .schema("Settled", bodies::settled())
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
