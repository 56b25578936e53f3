//! The routes of the admin API, and the OpenAPI document that describes them. The router has no state: a handler reaches the database
//! through its caller only.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use careq_http::{ApiError, CallerRouter, ErrorBody, catch_panics, described};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, PartialSchema as _};

use super::error::ErrorCode;
use super::routes::{audit, dead_letters, jobs, me, progress};
use super::state::Api;
use super::{auth, error, request};

/// The path prefix of every route.
pub const PREFIX: &str = "/admin/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "careq-sync: admin API",
        description = "Dead letters and replay jobs. Every request needs the token of an admin, which `careq-sync admin add NAME \
            --role reader|operator` prints. A reader lists and shows. An operator can also reveal payloads, replay, correct, discard \
            and reopen dead letters, and control replay jobs; the audit log has an entry of each of these actions. A list returns \
            `next`, which is the `after` of the next request; it is null on the last page."
    ),
    servers((url = PREFIX)),
    security(("token" = []))
)]
struct Document;

impl Api {
    /// The routes below `/admin`.
    pub fn routes(self: Arc<Self>) -> Router {
        let (api, document) = routes();
        let api = api
            // Added before the layers, so that a request with a wrong method is authenticated, too.
            .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
            .layer(catch_panics())
            .layer(from_fn_with_state(Arc::clone(&self), auth::authenticate));
        // The OpenAPI document is public: it holds no data of a clinic, and clients are generated from it before there is a token.
        let page = careq_http::documentation("/admin/docs", "/admin/openapi.json", &document);
        Router::new()
            .nest(PREFIX, api)
            .merge(page.method_not_allowed_fallback(|| async { ApiError::method_not_allowed() }))
            .route(
                "/admin/{*path}",
                axum::routing::any(|| async {
                    error::not_found("There is no such path; /admin/docs/ shows all")
                }),
            )
            .layer(catch_panics())
            .layer(from_fn_with_state(self, request::handle))
    }
}

/// Every route, and the document of all.
fn routes() -> (Router, utoipa::openapi::OpenApi) {
    let (router, mut document) = CallerRouter::new(Document::openapi())
        .with(described!(me::me))
        .with(described!(dead_letters::letters))
        .with(described!(dead_letters::count))
        .with(described!(dead_letters::groups))
        .with(described!(dead_letters::open))
        .with(described!(dead_letters::letter))
        .with(described!(dead_letters::reveal))
        .with(described!(dead_letters::correct))
        .with(described!(dead_letters::discard))
        .with(described!(dead_letters::reopen))
        .with(described!(jobs::plan))
        .with(described!(jobs::jobs))
        .with(described!(jobs::make_job))
        .with(described!(jobs::job))
        .with(described!(jobs::job_letters))
        .with(described!(jobs::pause))
        .with(described!(jobs::resume))
        .with(described!(jobs::cancel))
        .with(described!(progress::progress))
        .with(described!(audit::audit))
        .into_parts();
    for (path, item) in &mut document.paths.paths {
        let has_id = path.contains("{id}");
        item.get.iter_mut().for_each(|operation| describe_errors(operation, has_id, false));
        item.post.iter_mut().for_each(|operation| describe_errors(operation, has_id, true));
    }
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("Error".to_owned(), ErrorBody::<ErrorCode>::schema());
    (router, document)
}

/// Adds the errors that every operation of its kind can have, and the body of every error.
fn describe_errors(operation: &mut Operation, has_id: bool, is_action: bool) {
    let mut errors = vec![
        ("400", "The request cannot be read"),
        ("401", "The token is missing, unknown, expired, or of a disabled admin"),
        ("422", "A parameter or a field breaks a rule; `details` names it"),
        ("500", "An error of the server"),
        ("503", "The server is overloaded, or cannot use its database; Retry-After says when to try again"),
    ];
    if has_id {
        errors.push(("404", "Nothing has this id"));
    }
    if operation.request_body.is_some() {
        errors.extend([("408", "The body was not complete in time"), ("413", "The body is too large")]);
    }
    if is_action {
        errors.push(("403", "The admin is a reader; nothing was done"));
        operation.description = Some("Needs the role `operator`.".to_owned());
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in errors {
        responses
            .entry(status.to_owned())
            .or_insert(ResponseBuilder::new().description(description).build().into());
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.as_str() >= "400") {
        if let RefOr::T(response) = response {
            response.content.insert("application/json".to_owned(), content.clone().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_the_document_refers_to_is_in_it() {
        let (_, document) = routes();
        let schemas = &document.components.as_ref().unwrap().schemas;
        let text = serde_json::to_string(&document).unwrap();
        let names = text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
        let missing: Vec<_> = names.filter(|name| !schemas.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
