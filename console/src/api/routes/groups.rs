//! Dead letters grouped by cause, and counted by class and age.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use careq_shared::dead_letters::{Age, Class, Open, open};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::extract::filter::FilterWithStates;
use crate::api::extract::page::Limit;
use crate::api::extract::query::Query;
use crate::api::openapi::bodies::All;
use crate::api::openapi::operation::reading;
use crate::api::state::Api;
use crate::dead_letters::{self, Group};
use crate::error::Error;
use crate::schema;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(
            reading("groups", "/dead-letters/groups", "Dead letters by cause, the most frequent first")
                .query::<(FilterWithStates, Limit)>()
                .lists_all::<Group>("The causes; the fingerprint of each is a filter for its letters")
                .handled_by(get(groups)),
        )
        .routes(
            reading("open", "/dead-letters/open", "How many letters are open, by class and age")
                .lists_all::<OpenLetters>("Every class and age, also those without letters")
                .handled_by(get(count_open)),
        )
}

async fn groups(
    State(api): State<Arc<Api>>,
    Query((FilterWithStates(filter), Limit(limit))): Query<(FilterWithStates, Limit)>,
) -> Result<Json<All<Group>>, ApiError> {
    Ok(Json(All { items: dead_letters::groups(&api.database, &filter, limit).await? }))
}

/// Open letters of one class and age.
#[derive(Debug, Serialize, ToSchema)]
struct OpenLetters {
    /// Why they are dead.
    #[schema(schema_with = schema::class)]
    class: Class,
    /// How long ago they last failed.
    #[schema(schema_with = schema::age)]
    age: Age,
    /// How many there are.
    letters: u64,
}

impl From<Open> for OpenLetters {
    fn from(open: Open) -> Self {
        let Open { class, age, letters } = open;
        Self { class, age, letters }
    }
}

async fn count_open(State(api): State<Arc<Api>>, _: Query<()>) -> Result<Json<All<OpenLetters>>, ApiError> {
    let open = open(&api.database).await.map_err(Error::from)?;
    Ok(Json(All { items: open.into_iter().map(OpenLetters::from).collect() }))
}
