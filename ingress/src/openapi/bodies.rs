//! The schemas of answers. A member is required only if every answer has it.

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, SchemaFormat};

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn text(description: &str) -> ObjectBuilder {
    of_type(Type::String).description(Some(description))
}

fn number(description: &str) -> ObjectBuilder {
    of_type(Type::Integer).description(Some(description))
}

fn one_of(values: &[&str]) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(values.iter().copied()))
}

fn object(members: Vec<(&str, RefOr<Schema>)>, optional: Vec<(&str, RefOr<Schema>)>) -> ObjectBuilder {
    let object = members
        .into_iter()
        .fold(of_type(Type::Object), |object, (name, schema)| object.property(name, schema).required(name));
    optional.into_iter().fold(object, |object, (name, schema)| object.property(name, schema))
}

fn timestamp() -> RefOr<Schema> {
    text("The time of the answer").format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

fn envelope(success: bool, data: RefOr<Schema>) -> RefOr<Schema> {
    let success = of_type(Type::Boolean).enum_values(Some([success]));
    let members = vec![
        ("success", success.into()),
        ("message", text("A message for a person").into()),
        ("data", data),
        ("timestamp", timestamp()),
    ];
    object(members, Vec::new()).into()
}

pub(super) fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

/// Every success.
pub(super) fn success() -> RefOr<Schema> {
    envelope(true, of_type(Type::Object).into())
}

/// Messages by field name.
fn messages_by_field() -> RefOr<Schema> {
    let messages = ArrayBuilder::new().items(of_type(Type::String)).build();
    let by_field = of_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::Array(messages).into())));
    by_field.description(Some("Messages by field name")).into()
}

/// An error (API specification, "Error Handling").
pub(super) fn error() -> RefOr<Schema> {
    let codes = [
        "AUTHENTICATION_FAILED",
        "VALIDATION_ERROR",
        "DUPLICATE_RECORD",
        "RECORD_NOT_FOUND",
        "INVALID_REQUEST",
        "SERVER_ERROR",
        "RATE_LIMIT_EXCEEDED",
    ];
    let error = object(
        vec![
            ("code", one_of(&codes).into()),
            ("message", text("A message for a person").into()),
            ("details", messages_by_field()),
        ],
        Vec::new(),
    );
    let members = vec![
        ("success", of_type(Type::Boolean).enum_values(Some([false])).into()),
        ("message", text("The same message").into()),
        ("error", error.into()),
        ("timestamp", timestamp()),
    ];
    let optional = vec![
        ("errors", messages_by_field()),
        ("event_id", text("The event, if it was accepted despite the error").into()),
    ];
    object(members, optional).into()
}

/// The members of every answer about one record.
fn record() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        (
            "id",
            text("The record's id in careq-sync")
                .format(Some(SchemaFormat::Custom("uuid".to_owned())))
                .into(),
        ),
        ("careq_id", number("CareQ's identifier").into()),
        ("external_id", text("CareQ's identifier as text").into()),
    ]
}

/// An event whose result is known.
pub(super) fn completed() -> RefOr<Schema> {
    let mut members = record();
    members.push(("event_id", text("The event's id").into()));
    let optional = vec![
        ("sync_status", one_of(&["synced", "updated", "unchanged"]).into()),
        ("status", text("The appointment's status, for status changes and cancellations").into()),
        ("confirmation_number", text("For appointments").into()),
    ];
    envelope(true, object(members, optional).into())
}

/// An event whose result is not known yet.
pub(super) fn queued() -> RefOr<Schema> {
    let mut members = record();
    members.push(("event_id", text("The event's id").into()));
    members.push(("sync_status", one_of(&["queued"]).into()));
    members.push(("status_url", text("Where its result will be").into()));
    envelope(true, object(members, vec![("confirmation_number", text("For appointments").into())]).into())
}

/// The report of a batch. The page of a batch that no worker has registered has no counts.
pub(super) fn batch_report() -> RefOr<Schema> {
    let result = object(
        vec![("status", one_of(&["created", "updated", "unchanged", "pending", "failed"]).into())],
        Vec::new(),
    );
    let optional = vec![
        ("total", number("Records: successful + failed + pending").into()),
        ("successful", number("Created, updated or unchanged").into()),
        ("failed", number("Refused, or finally failed").into()),
        ("pending", number("Still to come, or waiting for another record").into()),
        ("results", Schema::Array(ArrayBuilder::new().items(result).build()).into()),
        ("sync_status", one_of(&["queued"]).into()),
        ("status_url", text("Where the report will be").into()),
    ];
    envelope(true, object(vec![("batch_id", text("As sent").into())], optional).into())
}

pub(super) fn event_page() -> RefOr<Schema> {
    let mut members = record();
    let states = ["queued", "waiting", "synced", "updated", "unchanged", "failed"];
    members.extend([
        ("event_id", text("The event's id").into()),
        ("kind", one_of(&["patient", "doctor", "service", "appointment", "status", "cancel"]).into()),
        ("sync_status", one_of(&states).into()),
        ("status_url", text("This page").into()),
    ]);
    let optional = vec![
        ("status", text("The appointment's status").into()),
        ("waiting_for", ArrayBuilder::new().items(of_type(Type::Object)).into()),
        ("error", of_type(Type::Object).into()),
    ];
    envelope(true, object(members, optional).into())
}

pub(super) fn record_page() -> RefOr<Schema> {
    let mut members = record();
    members.extend([
        ("kind", one_of(&["patient", "doctor", "service", "appointment"]).into()),
        ("sync_status", one_of(&["synced", "waiting", "queued", "failed"]).into()),
    ]);
    let optional = vec![
        ("event_id", text("The event that waits or has failed").into()),
        ("status", text("The appointment's status").into()),
    ];
    envelope(true, object(members, optional).into())
}

/// The answer of `GET /health` (API specification, section 8).
pub(super) fn health() -> RefOr<Schema> {
    let members = vec![
        ("success", of_type(Type::Boolean).enum_values(Some([true])).into()),
        ("status", one_of(&["operational"]).into()),
        ("version", text("The product's version").into()),
        ("timestamp", timestamp()),
    ];
    object(members, Vec::new()).into()
}
