//! The closed sets of words, for the description of the admin API. A word must never be listed here: it comes from its own type.

use careq_shared::dead_letters::{Age, Class, DeadLetterState};
use careq_shared::records::Kind;
use careq_shared::replay::{JobLetterState, JobState};
use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, SchemaType, Type};

use crate::admins::Role;
use crate::audit::{Action, Origin};

pub(crate) fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn one_of(about: &str, words: impl Iterator<Item = &'static str>) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(words)).description(Some(about))
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

pub(crate) fn letter_state() -> Object {
    one_of("Where the letter stands", DeadLetterState::ALL.iter().map(|state| state.as_str())).build()
}

pub(crate) fn letter_states() -> utoipa::openapi::schema::Array {
    let about = "In one of these states. Only a list looks at it: what can be replayed or discarded is open";
    ArrayBuilder::new().items(letter_state()).description(Some(about)).build()
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
    let about = "How long ago they last failed: less than an hour, a day, a week, or longer";
    one_of(about, Age::ALL.iter().map(|age| age.as_str())).build()
}

pub(crate) fn role() -> Object {
    let about =
        "What the admin may do: a reader looks, an operator reveals, replays, corrects and discards, too";
    one_of(about, Role::ALL.iter().map(|role| role.as_str())).build()
}
