//! OpenAPI schemas of the string enums. The values come from the enums themselves.

use careq_shared::audit::{Action, Origin};
use careq_shared::dead_letters::{Age, Class, DeadLetterState};
use careq_shared::records::Kind;
use careq_shared::replay::{JobLetterState, JobState};
use serde_json::Value;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaType, Type};

use crate::admins::role::Role;

/// A schema of this type.
pub(crate) fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn one_of(description: &str, words: impl Iterator<Item = &'static str>) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(words)).description(Some(description))
}

fn or_null(schema: ObjectBuilder, words: impl Iterator<Item = &'static str>) -> Object {
    let values = words.map(Value::from).chain([Value::Null]);
    schema.schema_type(SchemaType::Array(vec![Type::String, Type::Null])).enum_values(Some(values)).build()
}

pub(crate) fn class() -> Object {
    let words = Class::ALL.iter().map(|class| class.as_str());
    one_of("Why it is dead, by what a person can do about it", words).build()
}

pub(crate) fn class_or_null() -> Object {
    let words = || Class::ALL.iter().map(|class| class.as_str());
    or_null(one_of("Dead for this reason", words()), words())
}

pub(crate) fn kind_or_null() -> Object {
    let words = || Kind::ALL.iter().map(|kind| kind.as_str());
    or_null(one_of("Which of the six kinds, if the bytes say so", words()), words())
}

pub(crate) fn dead_letter_state() -> Object {
    one_of("Where the letter stands", DeadLetterState::ALL.iter().map(|state| state.as_str())).build()
}

pub(crate) fn dead_letter_states() -> Array {
    let description =
        "In one of these states. Only a list looks at it: what can be replayed or discarded is open";
    ArrayBuilder::new().items(dead_letter_state()).description(Some(description)).build()
}

pub(crate) fn job_state() -> Object {
    one_of("Where the job stands", JobState::ALL.iter().map(|state| state.as_str())).build()
}

pub(crate) fn job_letter_state() -> Object {
    one_of("Where the letter stands in the job", JobLetterState::ALL.iter().map(|state| state.as_str()))
        .build()
}

pub(crate) fn origin() -> Object {
    one_of("Where somebody acted", Origin::ALL.iter().map(|origin| origin.as_str())).build()
}

pub(crate) fn action() -> Object {
    one_of("What was done", Action::ALL.iter().map(|action| action.as_str())).build()
}

pub(crate) fn age() -> Object {
    let description = "How long ago they last failed: less than an hour, a day, a week, or longer";
    one_of(description, Age::ALL.iter().map(|age| age.as_str())).build()
}

pub(crate) fn role() -> Object {
    let description =
        "What the admin may do: a reader looks, an operator reveals, replays, corrects and discards, too";
    one_of(description, Role::ALL.iter().map(|role| role.as_str())).build()
}
