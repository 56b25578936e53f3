//! Letters by cause, and by class and age: what a person looks at first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::asked::Words;
use super::openapi::{All, Parameter, reading};
use super::problem::Problem;
use super::server::Api;
use crate::counts::{self, Open};
use crate::letters::{self, Group};

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
                .lists_all::<Open>("Every class and age, also those without letters")
                .handled_by(get(open)),
        )
}

async fn groups(State(api): State<Arc<Api>>, mut words: Words) -> Result<Json<All<Group>>, Problem> {
    let (filter, limit) = (words.filter_with_states(), words.limit());
    words.end()?;
    Ok(Json(All { items: letters::groups(&api.database, &filter, limit).await? }))
}

async fn open(State(api): State<Arc<Api>>, words: Words) -> Result<Json<All<Open>>, Problem> {
    words.end()?;
    Ok(Json(All { items: counts::open(&api.database).await? }))
}
