//! The words that a query may say: the filter's are those of `careq-sync dead-letters`.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::records::Kind;
use careq_shared::replay::JobLetterState;
use utoipa::openapi::path::{self, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Required, SchemaFormat};

use crate::api::asked::{LONGEST_LIMIT, USUAL_LIMIT};
use crate::schema::of_type;

/// A word of a query or a header.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Parameter {
    name: &'static str,
    about: &'static str,
    place: Place,
    schema: fn() -> RefOr<Schema>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Query,
    Header,
}

impl Parameter {
    /// Which letters.
    pub(in crate::api) const FILTER: [Self; 9] = [
        Self::query("clinic_id", "Of this clinic", text),
        Self::query("kind", "Of this kind", || words(Kind::ALL.iter().map(|kind| kind.as_str())).into()),
        Self::query("careq_id", "About CareQ's record of this number", number),
        Self::query("class", "Dead for this reason", || {
            words(Class::ALL.iter().map(|class| class.as_str())).into()
        }),
        Self::query("code", "With this code of the specification", text),
        Self::query("fingerprint", "Of this cause, as the groups name it", text),
        Self::query("since", "Failed last at this moment or later", moment),
        Self::query("until", "Failed last before this moment", moment),
        Self::query("id", "One of these; to be said once for each", ids),
    ];
    /// Where they stand.
    pub(in crate::api) const STATE: [Self; 1] = [Self::query(
        "state",
        "In one of these states, `open` unless it is said otherwise; or `all`",
        states,
    )];
    /// How many.
    pub(in crate::api) const LIMIT: Self = Self::query("limit", "At most so many", limit);
    /// Where the page begins.
    pub(in crate::api) const AFTER: Self = Self::query("after", "The `next` of an earlier page", text);
    /// Which part of a list.
    pub(in crate::api) const PAGE: [Self; 2] = [Self::LIMIT, Self::AFTER];
    /// Where a job's letters stand.
    pub(in crate::api) const JOB_LETTER_STATE: Self = Self::query("state", "Those that stand there", || {
        words(JobLetterState::ALL.iter().map(|state| state.as_str())).into()
    });
    /// What a client that comes back knows.
    pub(in crate::api) const LAST_EVENT_ID: Self = Self {
        name: "Last-Event-ID",
        about: "The `id` of the last event that was seen; it is not sent again",
        place: Place::Header,
        schema: || {
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .pattern(Some("^[0-9a-f]{16}$"))
                .into()
        },
    };

    const fn query(name: &'static str, about: &'static str, schema: fn() -> RefOr<Schema>) -> Self {
        Self { name, about, place: Place::Query, schema }
    }

    pub(super) fn described(self) -> path::Parameter {
        let place = match self.place {
            Place::Query => ParameterIn::Query,
            Place::Header => ParameterIn::Header,
        };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(self.about))
            .schema(Some((self.schema)()))
            .build()
    }
}

fn words(words: impl Iterator<Item = &'static str>) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(words))
}

fn text() -> RefOr<Schema> {
    of_type(Type::String).pattern(Some(r"^[^\u0000]*$")).into()
}

fn number() -> RefOr<Schema> {
    of_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).into()
}

fn moment() -> RefOr<Schema> {
    of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

fn ids() -> RefOr<Schema> {
    let id = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    Schema::Array(ArrayBuilder::new().items(id).build()).into()
}

fn states() -> RefOr<Schema> {
    let state = words(DeadLetterState::ALL.iter().map(|state| state.as_str()).chain(["all"]));
    Schema::Array(ArrayBuilder::new().items(state).build()).into()
}

fn limit() -> RefOr<Schema> {
    of_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(LONGEST_LIMIT))
        .default(Some(USUAL_LIMIT.into()))
        .into()
}

/// The id in a path.
pub(super) fn in_path() -> path::Parameter {
    let id = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(id))
        .build()
}
