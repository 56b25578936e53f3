//! The answers of an operation by status. They must be complete: the test of the running routes and schemathesis compare them with the
//! actual answers.

use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::Link;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Header};

use super::bodies::reference;

const JSON: &str = "application/json";

/// A link: its name, the operation it leads to, and that operation's parameters.
pub(super) type PageLink<'link> = (&'link str, &'link str, &'link [(&'link str, &'link str)]);

/// A success with its schema and an example.
pub(super) fn success(description: &str, schema: &str, example: Option<Value>) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(reference(schema))).example(example).build();
    with_rate_limit_headers(ResponseBuilder::new().description(description).content(JSON, content))
}

/// Adds the headers of answers to events and batches.
pub(super) fn with_event_headers(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("Idempotent-Replayed", text("`true`: this repeats the answer to an earlier delivery"))
        .header("Preference-Applied", text("The preference of `Prefer` that was followed"))
}

/// Adds links to the status pages.
pub(super) fn with_links(response: ResponseBuilder, links: &[PageLink<'_>]) -> ResponseBuilder {
    links.iter().fold(response, |response, (name, operation_id, parameters)| {
        let link = Link::builder().operation_id(*operation_id);
        let link = parameters.iter().fold(link, |link, (name, value)| link.parameter(*name, *value));
        response.link(*name, link.build())
    })
}

/// Adds the error answers of every request.
pub(super) fn with_errors(responses: ResponsesBuilder) -> ResponsesBuilder {
    responses
        .response("400", error("The request cannot be read"))
        .response(
            "401",
            error("A credential is missing or wrong; the answer does not say which one")
                .header("WWW-Authenticate", text("`Bearer` (RFC 9110, 11.6.1)")),
        )
        .response(
            "429",
            with_rate_limit_headers(error("More requests than the clinic's rate allows"))
                .header("Retry-After", number("Seconds until the next request is allowed")),
        )
        .response(
            "503",
            error("The request cannot be accepted at the moment")
                .header("Retry-After", number("Seconds to wait before a retry")),
        )
        .response("500", error("An internal error, or an event that finally failed"))
}

/// Adds the error answers of a request with a body.
pub(super) fn with_body_errors(responses: ResponsesBuilder) -> ResponsesBuilder {
    responses
        .response("408", error("The body was not complete in time"))
        .response("413", error("The body is larger than the limit"))
        .response("422", error("All fields that break a rule, in `errors` and `error.details`; or a record that the event refers to has not been received, and the event is kept until then"))
        .response("409", error("The key, `batch_id` or hash belongs to another event"))
}

/// An error in the form of the specification.
pub(super) fn error(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(reference("Error"))).build();
    ResponseBuilder::new().description(description).content(JSON, content)
}

/// Adds the headers of the rate limit (API specification, "Rate Limiting"). A clinic without a limit does not get them.
fn with_rate_limit_headers(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("X-RateLimit-Limit", number("Requests per minute"))
        .header("X-RateLimit-Remaining", number("Requests that the clinic may send now"))
        .header("X-RateLimit-Reset", number("The Unix second at which the whole burst is available again"))
}

fn text(description: &str) -> Header {
    of_type(Type::String, description)
}

fn number(description: &str) -> Header {
    of_type(Type::Integer, description)
}

fn of_type(kind: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
