//! Letters by cause, and by class and age: what a person looks at first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use careq_shared::dead_letters::{self, Age, Class};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::asked::Words;
use super::openapi::{All, Parameter, reading};
use super::problem::Problem;
use super::server::Api;
use crate::Error;
use crate::letters::{self, Group};
use crate::schema;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(
            reading("groups", "/dead-letters/groups", "Dead letters by cause, the most frequent first")
                .query(&Parameter::FILTER)
                .query(&Parameter::STATE)
                .query(&[Parameter::LIMIT])
                .lists_all::<Group>("The causes; the fingerprint of each is a filter for its letters")
                .handled_by(get(groups)),
        )
        .routes(
            reading("open", "/dead-letters/open", "How many letters are open, by class and age")
                .lists_all::<OpenLetters>("Every class and age, also those without letters")
                .handled_by(get(open)),
        )
}

async fn groups(State(api): State<Arc<Api>>, mut words: Words) -> Result<Json<All<Group>>, Problem> {
    let (filter, limit) = (words.filter_with_states(), words.limit());
    words.end()?;
    Ok(Json(All { items: letters::groups(&api.database, &filter, limit).await? }))
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

impl From<dead_letters::Open> for OpenLetters {
    fn from(open: dead_letters::Open) -> Self {
        let dead_letters::Open { class, age, letters } = open;
        Self { class, age, letters }
    }
}

async fn open(State(api): State<Arc<Api>>, words: Words) -> Result<Json<All<OpenLetters>>, Problem> {
    words.end()?;
    let open = dead_letters::open(&api.database).await.map_err(Error::from)?;
    Ok(Json(All { items: open.into_iter().map(OpenLetters::from).collect() }))
}
