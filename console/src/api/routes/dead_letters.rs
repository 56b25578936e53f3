//! Dead letters: listed, counted, shown, revealed, corrected, discarded, reopened.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use careq_shared::json::Document;
use careq_shared::records::Kind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::extract::body::JsonBody;
use crate::api::extract::filter::{FilterWithStates, selection};
use crate::api::extract::path_id::PathId;
use crate::api::extract::query::Query;
use crate::api::middleware::auth::Operator;
use crate::api::openapi::bodies::Paged;
use crate::api::openapi::operation::{acting, reading};
use crate::api::state::Api;
use crate::dead_letters::{
    self, BulkChange, Corrected, Correction, DeadLetter, DeadLetterDetails, Filter, Plaintext,
};
use crate::page::PageRequest;
use crate::schema;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(
            reading("letters", "/dead-letters", "Dead letters, the last to fail first")
                .query::<(FilterWithStates, PageRequest)>()
                .links_to(&["letter", "reveal", "correct"], "/items/0/id")
                .lists::<DeadLetter>("A page. A letter that fails again meanwhile moves to the beginning")
                .handled_by(get(list)),
        )
        .routes(
            reading("count", "/dead-letters/count", "How many dead letters match")
                .query::<FilterWithStates>()
                .responds::<Count>("200", "The number")
                .handled_by(get(count)),
        )
        .routes(
            reading("letter", "/dead-letters/{id}", "One letter with its history; its payload is masked")
                .responds::<DeadLetterDetails>("200", "The letter")
                .not_found("There is no such letter")
                .handled_by(get(show)),
        )
        .routes(
            acting("reveal", "/dead-letters/{id}/reveal", "The payload in clear; the audit log knows before")
                .takes::<Reason>()
                .responds::<Revealed>("200", "What was sent")
                .too_many("Too many payloads were revealed within a minute; Retry-After says when it is worth trying again")
                .not_found("There is no such letter")
                .conflict("It is sealed under a key that is not here")
                .handled_by(post(reveal)),
        )
        .routes(
            acting(
                "correct",
                "/dead-letters/{id}/correct",
                "Replaces the body by a corrected one, and replays it",
            )
            .takes::<NewCorrection>()
            .responds::<Corrected>(
                "201",
                "The correction, which is a letter of its own, and the job that replays it",
            )
            .not_found("There is no such letter")
            .conflict("The letter is not open, or the correction says nothing new")
            .handled_by(post(correct)),
        )
        .routes(
            acting("discard", "/dead-letters/discard", "Gives open letters up, with a reason; they stay")
                .takes::<ReasonedSelection>()
                .responds::<BulkChange>("200", "How many")
                .not_found("The one letter that is named does not exist")
                .conflict("No open letter matches")
                .handled_by(post(discard)),
        )
        .routes(
            acting(
                "reopen",
                "/dead-letters/reopen",
                "Opens discarded and superseded letters again, with a reason",
            )
            .takes::<ReasonedSelection>()
            .responds::<BulkChange>("200", "How many")
            .not_found("The one letter that is named does not exist")
            .conflict("No discarded or superseded letter matches")
            .handled_by(post(reopen)),
        )
}

async fn list(
    State(api): State<Arc<Api>>,
    Query((FilterWithStates(filter), page)): Query<(FilterWithStates, PageRequest)>,
) -> Result<Json<Paged<DeadLetter>>, ApiError> {
    Ok(Json(dead_letters::list(&api.database, &filter, page).await?.into()))
}

/// A number of letters.
#[derive(Debug, Serialize, ToSchema)]
struct Count {
    /// How many there are.
    letters: u64,
}

async fn count(
    State(api): State<Arc<Api>>,
    Query(FilterWithStates(filter)): Query<FilterWithStates>,
) -> Result<Json<Count>, ApiError> {
    Ok(Json(Count { letters: dead_letters::count(&api.database, &filter).await? }))
}

async fn show(
    State(api): State<Arc<Api>>,
    PathId(id): PathId,
    _: Query<()>,
) -> Result<Json<DeadLetterDetails>, ApiError> {
    Ok(Json(dead_letters::show(&api.database, &api.seal, id).await?))
}

/// What was sent.
#[derive(Serialize, ToSchema)]
struct Revealed {
    /// The body as CareQ would send it, to be corrected; of bytes that are no event, a text.
    #[schema(value_type = serde_json::Value)]
    payload: Plaintext,
}

/// Why a payload is to be shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// For those who ask later.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

async fn reveal(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    PathId(id): PathId,
    _: Query<()>,
    JsonBody(Reason { reason }): JsonBody<Reason>,
) -> Result<Json<Revealed>, ApiError> {
    let payload = dead_letters::reveal(&api.database, &api.seal, &actor, id, &reason).await?;
    Ok(Json(Revealed { payload: payload.plaintext()? }))
}

/// What a person makes of a letter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCorrection {
    /// The whole body, as CareQ would send it. It is held against the field rules of the front door.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    body: Box<RawValue>,
    /// Needed where the letter does not say.
    #[serde(default)]
    #[schema(schema_with = schema::kind_or_null)]
    kind: Option<Kind>,
}

async fn correct(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    PathId(id): PathId,
    _: Query<()>,
    JsonBody(NewCorrection { body, kind }): JsonBody<NewCorrection>,
) -> Result<(StatusCode, Json<Corrected>), ApiError> {
    let body = Document::parse(body.get().as_bytes());
    let body = body.map_err(|fault| ApiError::field("body", fault.to_string()))?;
    let correction = Correction { body, kind, limits: api.record_limits };
    let corrected = dead_letters::correct(&api.database, &api.seal, &actor, id, correction).await?;
    Ok((StatusCode::CREATED, Json(corrected)))
}

/// Which letters to give up or to open again, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Named)]
struct ReasonedSelection {
    /// Those that match and are in a state to be acted on.
    #[serde(default)]
    filter: Filter,
    /// Every such letter: needed with an empty filter, and refused with any other.
    #[serde(default)]
    all: bool,
    /// For those who ask later.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

async fn discard(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    _: Query<()>,
    JsonBody(ReasonedSelection { filter, all, reason }): JsonBody<ReasonedSelection>,
) -> Result<Json<BulkChange>, ApiError> {
    Ok(Json(dead_letters::discard(&api.database, &actor, &selection(filter, all)?, &reason).await?))
}

async fn reopen(
    State(api): State<Arc<Api>>,
    Operator(actor): Operator,
    _: Query<()>,
    JsonBody(ReasonedSelection { filter, all, reason }): JsonBody<ReasonedSelection>,
) -> Result<Json<BulkChange>, ApiError> {
    Ok(Json(dead_letters::reopen(&api.database, &actor, &selection(filter, all)?, &reason).await?))
}
