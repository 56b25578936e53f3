//! The OpenAPI document as a whole: title, server, security scheme and shared schemas.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, Server};

use super::bodies;

/// The path prefix of every route.
pub(crate) const PREFIX: &str = "/admin/v1";

const DESCRIPTION: &str = "What needs a person, and what a person does with it. Every request needs the token of an admin, which \
    `careq-sync admin add NAME --role reader|operator` prints. A reader may look; an operator may also reveal payloads, replay, \
    correct, discard, and control replay jobs; each of these is in the audit log under the admin's name. A list gives `next`, to be \
    sent as `after`; it is null at the end.";

/// The document of the registered routes.
pub(crate) fn build(routes: OpenApi) -> OpenApi {
    let mut document = routes;
    document.info = InfoBuilder::new()
        .title("careq-sync: admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    document.servers = Some(vec![Server::new(PREFIX)]);
    let schemas = document.components.take().map(|components| components.schemas).unwrap_or_default();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .schema("Error", bodies::error());
    document.components = Some(components.build());
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}
