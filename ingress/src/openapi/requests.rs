//! The operations with a body, and their examples, which are those of the API specification unchanged.

use careq_shared::records::{Kind, Limits};
use serde_json::Value;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, Required};

use super::schema::{self, NOT_BLANK};

pub(super) const JSON: &str = "application/json";

const EXAMPLES: &str = include_str!("examples.json");

/// `POST` of one kind of record (API specification, sections 1 to 6).
pub(crate) fn webhook(kind: Kind, limits: Limits) -> Operation {
    let event_page = || link("event", &[("event_id", "$response.body#/data/event_id")]);
    let record_page = [("kind", kind.record().as_str()), ("careq_id", "$response.body#/data/careq_id")];
    let stored = |description: &str, name: &str| {
        let response = success(description, "Settled", Some(name));
        response.link("event", event_page()).link("record", link("record", &record_page))
    };
    let summary = match kind {
        Kind::Patient => "Sync a patient",
        Kind::Doctor => "Sync a doctor",
        Kind::Service => "Sync a service",
        Kind::Appointment => "Sync an appointment",
        Kind::Status => "Update the status of an appointment",
        Kind::Cancel => "Cancel an appointment",
    };
    let (status, response) = if matches!(kind, Kind::Status | Kind::Cancel) {
        let description = "The appointment has not been received; the event is kept until it is";
        ("404", ResponseBuilder::new().description(description))
    } else {
        ("201", stored("Created", "created"))
    };
    let updated = stored("Updated, or unchanged: the stored version is the same or newer", "updated");
    let queued = success("Accepted; the result is not known yet", "Queued", None);
    let mut operation = posting(kind.as_str(), summary, schema::for_kind(kind, limits))
        .response(status, response.build())
        .response("200", updated.build())
        .response("202", queued.link("event", event_page()).build())
        .build();
    let key = "1 to 255 visible ASCII characters; requests with the same key are the same event. Without it, the key is derived from the content";
    add_header(&mut operation, "Idempotency-Key", key, Some("^[!-~]{1,255}$"));
    operation
}

/// `POST /batch` (API specification, section 7).
pub(crate) fn batch() -> Operation {
    let id = |max_length| {
        let id = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        id.pattern(Some(NOT_BLANK)).max_length(Some(max_length))
    };
    // A record has no schema here, since an invalid one does not invalidate the batch.
    let record = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(
        "`type` (patient, doctor, service or appointment) and `data`, the body of a request of that type",
    ));
    let records = ArrayBuilder::new().items(record).min_items(Some(1)).max_items(Some(1_000));
    let body = ObjectBuilder::new()
        .property("clinic_id", id(100))
        .required("clinic_id")
        .property("batch_id", id(255))
        .required("batch_id")
        .property("records", records)
        .required("records");
    let page = link("batch_page", &[("batch_id", "$request.body#/batch_id")]);
    let report = success("The report", "BatchReport", Some("batch_report")).link("batch", page);
    let summary = "Sync up to 1,000 records at once; an invalid record does not affect the others";
    let queued = success("Accepted; the report will be at status_url", "BatchReport", None);
    posting("batch", summary, body).response("200", report.build()).response("202", queued.build()).build()
}

fn posting(name: &str, summary: &str, body: ObjectBuilder) -> OperationBuilder {
    let content = ContentBuilder::new().schema(Some(body)).example(Some(example(name))).build();
    let body = RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build();
    OperationBuilder::new().operation_id(Some(name)).summary(Some(summary)).request_body(Some(body))
}

fn success(description: &str, schema: &str, example_name: Option<&str>) -> ResponseBuilder {
    let schema = Ref::from_schema_name(schema);
    let content = ContentBuilder::new().schema(Some(schema)).example(example_name.map(example)).build();
    ResponseBuilder::new().description(description).content(JSON, content)
}

/// A link to an operation with these parameters.
fn link(operation_id: &str, parameters: &[(&str, &str)]) -> Link {
    let link = Link::builder().operation_id(operation_id);
    parameters.iter().fold(link, |link, (name, value)| link.parameter(*name, *value)).build()
}

/// Adds an optional request header.
pub(super) fn add_header(operation: &mut Operation, name: &str, description: &str, pattern: Option<&str>) {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(pattern);
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema));
    operation.parameters.get_or_insert_default().push(parameter.build().into());
}

/// The example of a request body, or of an answer.
#[expect(clippy::expect_used, reason = "the examples are part of the program, and a test reads each of them")]
fn example(name: &str) -> Value {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("the examples are JSON");
    examples.get(name).expect("the example exists").clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use careq_shared::json::Document;
    use careq_shared::records;
    use chrono::DateTime;

    #[test]
    fn the_examples_pass_the_field_rules() {
        for kind in Kind::ALL {
            webhook(kind, Limits::NONE);
            let example = example(kind.as_str());
            let document = Document::parse(example.to_string().as_bytes()).unwrap();
            records::read(kind, &document.object(), Limits::NONE, DateTime::UNIX_EPOCH).unwrap();
        }
        batch();
    }
}
