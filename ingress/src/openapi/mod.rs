//! The API as an OpenAPI 3.1 document. The handlers of status pages describe themselves, and the field rules describe the requests with
//! a body; this adds what all operations share. The answers must be complete: the test of the running routes and schemathesis compare
//! them with the actual ones.

mod requests;
mod schema;

use careq_http::ErrorBody;
use careq_shared::outcome::ErrorCode;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, Content, Header, InfoBuilder, OpenApi, Ref, RefOr, Server};

use requests::{JSON, add_header};
pub(crate) use requests::{batch, webhook};

use crate::paths::API;
use crate::response::Envelope;
use crate::response::batch_report::BatchData;
use crate::response::outcome::{Queued, Settled};
use crate::status::event::EventPage;
use crate::status::health::Health;
use crate::status::record::RecordPage;

const DESCRIPTION: &str = "Takes CareQ's webhooks (API specification 1.0.0). Every request needs the clinic's bearer token. A \
    clinic may also have an API key (`X-API-Key`), a webhook secret (`X-Webhook-Secret`), a list of networks, and a signing \
    secret; each of these that the clinic has is required. With a signing secret, `X-CareQ-Signature` and `X-CareQ-Timestamp` are \
    required on every request, and a GET signs the empty body. The answer to a missing or wrong credential is the same 401 for all \
    of them.";

/// Completes the document of the routes.
pub(crate) fn document(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("careq-sync")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    document.servers = Some(vec![Server::new(API)]);
    for item in document.paths.paths.values_mut() {
        [&mut item.get, &mut item.post].into_iter().flatten().for_each(complete);
    }
    let mut schemas = Vec::new();
    add::<ErrorBody<'_, ErrorCode>>("Error", &mut schemas);
    add::<Envelope<'_, Settled<'_>>>("Settled", &mut schemas);
    add::<Envelope<'_, Queued<'_>>>("Queued", &mut schemas);
    add::<Envelope<'_, BatchData<'_>>>("BatchReport", &mut schemas);
    add::<Envelope<'_, EventPage>>("EventPage", &mut schemas);
    add::<Envelope<'_, RecordPage>>("RecordPage", &mut schemas);
    add::<Health>("Health", &mut schemas);
    let header = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme("api_key", header("X-API-Key"))
        .security_scheme("webhook_secret", header("X-Webhook-Secret"));
    document.components = Some(components.build());
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}

/// Adds the schema of a type, and those that it refers to.
fn add<T: ToSchema>(name: &str, schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((name.to_owned(), T::schema()));
    T::schemas(schemas);
}

/// Adds the parameters, answers and headers that all operations have, or all with a body.
fn complete(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    // No pattern, since the header is ignored for a clinic without a signing secret.
    let signature = "`sha256=` and the HMAC-SHA256 of the raw body in hexadecimal; required if the clinic has a signing secret";
    let timestamp = "Unix seconds, at most 300 from now; required if the clinic has a signing secret, and checked if sent";
    add_header(operation, "X-CareQ-Signature", signature, None);
    add_header(operation, "X-CareQ-Timestamp", timestamp, Some("^[0-9]{1,12}$"));
    let mut errors = vec![
        ("400", "The request cannot be read"),
        ("401", "A credential is missing or wrong; the answer does not say which one"),
        ("429", "More requests than the clinic's rate allows"),
        ("500", "An internal error, or an event that finally failed"),
        ("503", "The request cannot be accepted at the moment"),
    ];
    if has_body {
        let prefer =
            "`respond-async` does not wait for the result, `wait=N` waits up to N seconds (RFC 7240)";
        add_header(operation, "Prefer", prefer, None);
        errors.extend([
            ("408", "The body was not complete in time"),
            ("409", "The key, `batch_id` or hash belongs to another event"),
            ("413", "The body is larger than the limit"),
            ("422", "All fields that break a rule, in `errors` and `error.details`; or a record that the event refers to has not been received, and the event is kept until then"),
        ]);
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in errors {
        let response = ResponseBuilder::new().description(description).build();
        responses.insert(status.to_owned(), response.into());
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            complete_response(status, response, has_body);
        }
    }
}

/// Adds the headers of an answer, and the body of an error.
fn complete_response(status: &str, response: &mut Response, has_body: bool) {
    let mut add = |name: &str, kind: Type, description: &str| {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(kind));
        let header: Header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        response.headers.insert(name.to_owned(), header.into());
    };
    let is_success = status.starts_with('2');
    // A clinic without a limit does not get these (API specification, "Rate Limiting").
    if is_success || status == "429" {
        add("X-RateLimit-Limit", Type::Integer, "Requests per minute");
        add("X-RateLimit-Remaining", Type::Integer, "Requests that the clinic may send now");
        let reset = "The Unix second at which the whole burst is available again";
        add("X-RateLimit-Reset", Type::Integer, reset);
    }
    if is_success && has_body {
        let replayed = "`true`: this repeats the answer to an earlier delivery";
        add("Idempotent-Replayed", Type::String, replayed);
        add("Preference-Applied", Type::String, "The preference of `Prefer` that was followed");
    }
    match status {
        "401" => add("WWW-Authenticate", Type::String, "`Bearer` (RFC 9110, 11.6.1)"),
        "429" => add("Retry-After", Type::Integer, "Seconds until the next request is allowed"),
        "503" => add("Retry-After", Type::Integer, "Seconds to wait before a retry"),
        _ => {}
    }
    if !is_success {
        let error = Content::new(Some(Ref::from_schema_name("Error")));
        response.content.insert(JSON.to_owned(), error.into());
    }
}
