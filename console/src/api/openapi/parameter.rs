//! The query parameters and headers of the admin API. The filter has those of `careq-sync dead-letters`.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::records::Kind;
use careq_shared::replay::JobLetterState;
use utoipa::openapi::path::{self, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Required, SchemaFormat};

use crate::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT};
use crate::schema::of_type;

/// A query parameter or a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    description: &'static str,
    location: Location,
    schema: fn() -> RefOr<Schema>,
}

#[derive(Debug, Clone, Copy)]
enum Location {
    Query,
    Header,
}

impl Parameter {
    pub(crate) const CLINIC_ID: Self = Self::query("clinic_id", "Of this clinic", text);
    pub(crate) const KIND: Self =
        Self::query("kind", "Of this kind", || one_of(Kind::ALL.iter().map(|kind| kind.as_str())).into());
    pub(crate) const CAREQ_ID: Self = Self::query("careq_id", "About CareQ's record of this number", number);
    pub(crate) const CLASS: Self = Self::query("class", "Dead for this reason", || {
        one_of(Class::ALL.iter().map(|class| class.as_str())).into()
    });
    pub(crate) const CODE: Self = Self::query("code", "With this code of the specification", text);
    pub(crate) const FINGERPRINT: Self =
        Self::query("fingerprint", "Of this cause, as the groups name it", text);
    pub(crate) const SINCE: Self = Self::query("since", "Failed last at this moment or later", timestamp);
    pub(crate) const UNTIL: Self = Self::query("until", "Failed last before this moment", timestamp);
    pub(crate) const ID: Self = Self::query("id", "One of these; to be said once for each", ids);
    /// The filter of dead letters, without states.
    pub(crate) const FILTER: [Self; 9] = [
        Self::CLINIC_ID,
        Self::KIND,
        Self::CAREQ_ID,
        Self::CLASS,
        Self::CODE,
        Self::FINGERPRINT,
        Self::SINCE,
        Self::UNTIL,
        Self::ID,
    ];
    /// The states of dead letters.
    pub(crate) const STATE: Self =
        Self::query("state", "In one of these states, `open` unless it is said otherwise; or `all`", states);
    /// The highest number of items.
    pub(crate) const LIMIT: Self = Self::query("limit", "At most so many", limit);
    /// The key of the last item of the page before.
    pub(crate) const AFTER: Self = Self::query("after", "The `next` of an earlier page", text);
    /// The state of a job's dead letters.
    pub(crate) const JOB_LETTER_STATE: Self = Self::query("state", "Those that stand there", || {
        one_of(JobLetterState::ALL.iter().map(|state| state.as_str())).into()
    });
    /// The last event that a reconnecting client has received.
    pub(crate) const LAST_EVENT_ID: Self = Self {
        name: "Last-Event-ID",
        description: "The `id` of the last event that was seen; it is not sent again",
        location: Location::Header,
        schema: || {
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .pattern(Some("^[0-9a-f]{16}$"))
                .into()
        },
    };

    const fn query(name: &'static str, description: &'static str, schema: fn() -> RefOr<Schema>) -> Self {
        Self { name, description, location: Location::Query, schema }
    }

    pub(super) fn described(self) -> path::Parameter {
        let location = match self.location {
            Location::Query => ParameterIn::Query,
            Location::Header => ParameterIn::Header,
        };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(location)
            .required(Required::False)
            .description(Some(self.description))
            .schema(Some((self.schema)()))
            .build()
    }
}

fn one_of(words: impl Iterator<Item = &'static str>) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(words))
}

fn text() -> RefOr<Schema> {
    of_type(Type::String).pattern(Some(r"^[^\u0000]*$")).into()
}

fn number() -> RefOr<Schema> {
    of_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).into()
}

fn timestamp() -> RefOr<Schema> {
    of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

fn ids() -> RefOr<Schema> {
    let id = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    Schema::Array(ArrayBuilder::new().items(id).build()).into()
}

fn states() -> RefOr<Schema> {
    let state = one_of(DeadLetterState::ALL.iter().map(|state| state.as_str()).chain(["all"]));
    Schema::Array(ArrayBuilder::new().items(state).build()).into()
}

fn limit() -> RefOr<Schema> {
    of_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_PAGE_LIMIT))
        .default(Some(DEFAULT_PAGE_LIMIT.into()))
        .into()
}

/// The id in the path.
pub(super) fn in_path() -> path::Parameter {
    let id = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(id))
        .build()
}
