//! JSON schemas of the field rules. As far as a schema can express a rule, both accept the same values.

use careq_shared::records::{self, Field, Kind, Limits, Rule};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr};

/// No NUL character, which PostgreSQL cannot store.
const NO_NUL: &str = r"^[^\u0000]*$";

/// No NUL character, and not blank.
pub(super) const NOT_BLANK: &str = r"^[^\u0000]*[^\s\u0000][^\u0000]*$";

/// A four-digit year, two digits for every other part, and an offset of at most 14 hours.
const INSTANT: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-5][0-9](\.[0-9]{1,9})?)?([Zz]|[+-](0[0-9]|1[0-3]):?[0-5][0-9]|[+-]14:?00)$";

/// The body of one kind of webhook.
pub(super) fn for_kind(kind: Kind, limits: Limits) -> ObjectBuilder {
    records::rules(kind).iter().fold(ObjectBuilder::new(), |body, field| {
        let body = body.property(field.name, for_field(field, limits));
        if field.is_required { body.required(field.name) } else { body }
    })
}

fn for_field(field: &Field, limits: Limits) -> RefOr<Schema> {
    let typed = |kind: Type| ObjectBuilder::new().schema_type(nullable(kind, field.is_required));
    let text = || typed(Type::String);
    let schema = match field.rule {
        Rule::Id => typed(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1_i64))
            .maximum(Some(i64::MAX))
            .description(Some("CareQ's identifier")),
        Rule::Text { max_characters } => {
            let pattern = if field.is_required { NOT_BLANK } else { NO_NUL };
            text().max_length(Some(max_characters)).pattern(Some(pattern))
        }
        Rule::LongText => return long_text(limits).into(),
        Rule::TextOrJson => return text_or_json(limits),
        Rule::Phone => text().pattern(Some("^[0-9]{10}$")).description(Some("Ten digits")),
        Rule::Email { max_characters } => text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
            .max_length(Some(max_characters)),
        Rule::OneOf { words } => {
            let null = (!field.is_required).then_some(serde_json::Value::Null);
            text().enum_values(Some(words.iter().map(|word| serde_json::Value::from(*word)).chain(null)))
        }
        Rule::Color => text().pattern(Some("^#[0-9a-fA-F]{6}$")).description(Some("#rrggbb")),
        Rule::Date => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        Rule::Instant => text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .pattern(Some(INSTANT))
            .description(Some("ISO 8601 with an offset, in the years 1 to 9998; seconds are optional")),
        Rule::Minutes => typed(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(0_i64))
            .maximum(Some(i64::from(i32::MAX))),
        Rule::Price => {
            typed(Type::Number).minimum(Some(0_i64)).maximum(Some(999_999_999_999_999_999_i64)).description(
                Some("At most 18 digits, at most 4 of them decimals, in plain notation; kept exactly"),
            )
        }
        Rule::Boolean => typed(Type::Boolean),
    };
    let is_text = matches!(field.rule, Rule::Text { .. });
    if field.is_required || is_text { schema.into() } else { or_empty(schema) }
}

/// An empty text means that the field is absent, as `null` does.
fn or_empty(schema: ObjectBuilder) -> RefOr<Schema> {
    let empty = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some([""]));
    AnyOfBuilder::new().item(schema).item(empty).into()
}

fn nullable(kind: Type, is_required: bool) -> SchemaType {
    if is_required { SchemaType::Type(kind) } else { SchemaType::Array(vec![kind, Type::Null]) }
}

/// `maxLength` counts characters, the rule counts bytes: a text has at least as many bytes.
fn long_text(limits: Limits) -> ObjectBuilder {
    let max_bytes = limits.max_long_text_bytes;
    ObjectBuilder::new()
        .schema_type(nullable(Type::String, false))
        .pattern(Some(NO_NUL))
        .max_length(Some(max_bytes))
        .description(Some(format!("At most {max_bytes} bytes in UTF-8")))
}

fn text_or_json(limits: Limits) -> RefOr<Schema> {
    let text = long_text(limits);
    let json = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    let any = AnyOfBuilder::new().item(text).item(json(Type::Object)).item(json(Type::Array));
    let max_bytes = limits.max_long_text_bytes;
    let description = format!(
        "Text, or any JSON object or array, without a NUL character; at most {max_bytes} bytes in UTF-8, of JSON as compact text"
    );
    any.description(Some(description)).into()
}
