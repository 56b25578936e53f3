//! The operations, one function each, in the order of the specification.

use careq_shared::records::{Kind, Limits};
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponsesBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, KnownFormat, RefOr, Required, SchemaFormat};

use super::examples::example;
use super::responses::{
    PageLink, error, success, with_body_errors, with_errors, with_event_headers, with_links,
};
use super::schema::{self, NOT_BLANK};

const EVENT_PAGE: PageLink<'static> = ("event", "event", &[("event_id", "$response.body#/data/event_id")]);

/// `POST` of one kind of record (API specification, sections 1 to 6).
pub(crate) fn webhook(kind: Kind, limits: Limits) -> Operation {
    let record = kind.record();
    let record_page = [("kind", record.as_str()), ("careq_id", "$response.body#/data/careq_id")];
    let links = [EVENT_PAGE, ("record", "record", &record_page)];
    let stored = |description: &str, name: &str| {
        with_event_headers(with_links(success(description, "Settled", Some(example(name))), &links))
    };
    let mut responses = ResponsesBuilder::new();
    if matches!(kind, Kind::Status | Kind::Cancel) {
        let description = "The appointment has not been received; the event is kept until it is";
        responses = responses.response("404", error(description));
    } else {
        responses = responses.response("201", stored("Created", "created"));
    }
    let queued = success("Accepted; the result is not known yet", "Queued", None);
    responses = responses
        .response("200", stored("Updated, or unchanged: the stored version is the same or newer", "updated"))
        .response("202", with_event_headers(with_links(queued, &[EVENT_PAGE])));
    let key = "1 to 255 visible ASCII characters; requests with the same key are the same event. Without it, the key is derived from the content";
    posting(kind.as_str(), summary(kind))
        .parameter(optional(ParameterIn::Header, "Idempotency-Key", key))
        .request_body(Some(body(schema::of_kind(kind, limits), kind.as_str())))
        .responses(with_body_errors(with_errors(responses)).build())
        .build()
}

const fn summary(kind: Kind) -> &'static str {
    match kind {
        Kind::Patient => "Sync a patient",
        Kind::Doctor => "Sync a doctor",
        Kind::Service => "Sync a service",
        Kind::Appointment => "Sync an appointment",
        Kind::Status => "Update the status of an appointment",
        Kind::Cancel => "Cancel an appointment",
    }
}

/// `POST /batch` (API specification, section 7).
pub(crate) fn batch() -> Operation {
    // A record has no schema here, since an invalid one does not invalidate the batch.
    let record = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(
        "`type` (patient, doctor, service or appointment) and `data`, the body of a request of that type",
    ));
    let records = ArrayBuilder::new().items(record).min_items(Some(1)).max_items(Some(1_000));
    let batch = ObjectBuilder::new()
        .property("clinic_id", string().pattern(Some(NOT_BLANK)).max_length(Some(100)))
        .required("clinic_id")
        .property("batch_id", string().pattern(Some(NOT_BLANK)).max_length(Some(255)))
        .required("batch_id")
        .property("records", records)
        .required("records");
    let links = [("batch", "batch_page", &[("batch_id", "$request.body#/batch_id")] as &[_])];
    let report = with_links(success("The report", "BatchReport", Some(example("batch_report"))), &links);
    let queued = success("Accepted; the report will be at status_url", "BatchReport", None);
    let responses = ResponsesBuilder::new()
        .response("200", with_event_headers(report))
        .response("202", with_event_headers(queued));
    posting("batch", "Sync up to 1,000 records at once; an invalid record does not affect the others")
        .request_body(Some(body(batch, "batch")))
        .responses(with_body_errors(with_errors(responses)).build())
        .build()
}

/// `GET /batch/{batch_id}`
pub(crate) fn batch_status() -> Operation {
    let responses = ResponsesBuilder::new()
        .response("200", success("The report so far", "BatchReport", None))
        .response("404", error("No worker has registered such a batch of this clinic"));
    reading("batch_page", "The report of a batch")
        .parameter(in_path("batch_id", string()))
        .parameter(optional(ParameterIn::Query, "receipt", "From the `status_url` of a 202"))
        .responses(with_errors(responses).build())
        .build()
}

/// `GET /events/{event_id}`
pub(crate) fn event_status() -> Operation {
    let responses = ResponsesBuilder::new()
        .response("200", success("The event", "EventPage", None))
        .response("404", error("The id was not issued to this clinic"));
    reading("event", "The result of an event")
        .parameter(in_path("event_id", string()))
        .parameter(optional(ParameterIn::Query, "receipt", "From the `status_url` of a 202"))
        .responses(with_errors(responses).build())
        .build()
}

/// `GET /status/{kind}/{careq_id}`
pub(crate) fn record_status() -> Operation {
    let kinds = string().enum_values(Some(["patient", "doctor", "service", "appointment"]));
    let careq_id = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1_i64))
        .maximum(Some(i64::MAX));
    let responses = ResponsesBuilder::new()
        .response("200", success("The record, or its event that waits or has failed", "RecordPage", None))
        .response("404", error("There is no such record of this clinic"));
    reading("record", "The status of a record")
        .parameter(in_path("kind", kinds))
        .parameter(in_path("careq_id", careq_id))
        .responses(with_errors(responses).build())
        .build()
}

/// `GET /health` (API specification, section 8).
pub(crate) fn health() -> Operation {
    let responses = ResponsesBuilder::new().response("200", success("Operational", "Health", None));
    reading("health", "Whether events are accepted").responses(with_errors(responses).build()).build()
}

fn posting(operation_id: &str, summary: &str) -> OperationBuilder {
    let prefer = "`respond-async` does not wait for the result, `wait=N` waits up to N seconds (RFC 7240)";
    reading(operation_id, summary).parameter(optional(ParameterIn::Header, "Prefer", prefer))
}

fn reading(operation_id: &str, summary: &str) -> OperationBuilder {
    // No pattern, since the header is ignored for a clinic without a signing secret.
    let signature = "`sha256=` and the HMAC-SHA256 of the raw body in hexadecimal; required if the clinic has a signing secret";
    let timestamp = "Unix seconds, at most 300 from now; required if the clinic has a signing secret, and checked if sent";
    OperationBuilder::new()
        .operation_id(Some(operation_id))
        .summary(Some(summary))
        .parameter(optional(ParameterIn::Header, "X-CareQ-Signature", signature))
        .parameter(optional(ParameterIn::Header, "X-CareQ-Timestamp", timestamp))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn in_path(name: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn optional(location: ParameterIn, name: &str, description: &str) -> Parameter {
    let schema = match name {
        "Idempotency-Key" => string().pattern(Some("^[!-~]{1,255}$")),
        "X-CareQ-Timestamp" => string().pattern(Some("^[0-9]{1,12}$")),
        _ => string(),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(location)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn body(schema: ObjectBuilder, example_name: &str) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example(example_name))).build();
    RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()
}
