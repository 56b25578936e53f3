//! The answers that an operation can give, by status. An answer that the code can give must never be missing here: the test of
//! the running routes, and schemathesis, look for it.

use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::Link;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Header};

use super::bodies::reference;

const JSON: &str = "application/json";

/// Its name, the operation it leads to, and that operation's parameters.
pub(super) type PageLink<'link> = (&'link str, &'link str, &'link [(&'link str, &'link str)]);

/// A success with its schema, and an example where there is one.
pub(super) fn success(description: &str, schema: &str, example: Option<Value>) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(reference(schema))).example(example).build();
    counted(ResponseBuilder::new().description(description).content(JSON, content))
}

/// The same, of an event: what was answered before, and the preference that was followed.
pub(super) fn of_event(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("Idempotent-Replayed", text("`true`: the same request was answered before"))
        .header("Preference-Applied", text("The preference of `Prefer` that was followed"))
}

/// Links from an answer to the pages that it makes.
pub(super) fn linked(response: ResponseBuilder, links: &[PageLink<'_>]) -> ResponseBuilder {
    links.iter().fold(response, |response, (name, operation_id, parameters)| {
        let link = Link::builder().operation_id(*operation_id);
        let link = parameters.iter().fold(link, |link, (name, value)| link.parameter(*name, *value));
        response.link(*name, link.build())
    })
}

/// What any request can be answered.
pub(super) fn refusals(responses: ResponsesBuilder) -> ResponsesBuilder {
    responses
        .response("400", error("The request cannot be read"))
        .response(
            "401",
            error("Something of what the clinic has to prove is missing or wrong; it is not said what")
                .header("WWW-Authenticate", text("`Bearer` (RFC 9110, 11.6.1)")),
        )
        .response(
            "429",
            counted(error("More requests than the clinic's rate allows"))
                .header("Retry-After", number("Seconds until there is a token again")),
        )
        .response(
            "503",
            error("It cannot be taken at the moment; nothing was promised")
                .header("Retry-After", number("Seconds until it is worth trying again")),
        )
        .response("500", error("A fault in the program, or an event that failed for good"))
}

/// What a request with a body can be answered besides.
pub(super) fn body_refusals(responses: ResponsesBuilder) -> ResponsesBuilder {
    responses
        .response("408", error("The body was not complete in time"))
        .response("413", error("The body is larger than the limit"))
        .response("422", error("Fields that break a rule, all at once, in `errors` and `error.details`; or a record that it refers to has not been received, and it is kept until it is"))
        .response("409", error("The key, `batch_id` or hash belongs to another event"))
}

/// An error in the specification's form.
pub(super) fn error(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(reference("Error"))).build();
    ResponseBuilder::new().description(description).content(JSON, content)
}

/// With the rate limit's three headers (API specification, "Rate Limiting"). They are missing where the clinic has no limit.
fn counted(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("X-RateLimit-Limit", number("Requests per minute"))
        .header("X-RateLimit-Remaining", number("Requests that the clinic may send at once"))
        .header("X-RateLimit-Reset", number("The Unix second at which that is the whole burst again"))
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
