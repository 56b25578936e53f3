//! Dead letters: listed, counted, grouped by cause, shown, revealed, corrected, discarded, reopened.

use axum::Json;
use axum::http::StatusCode;
use careq_http::ApiError;
use careq_shared::dead_letters::{self as open_letters, DeadLetterState, Open};
use careq_shared::json::Document;
use careq_shared::records::Kind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::{Authenticated, Operator};
use crate::api::body::JsonBody;
use crate::api::error::{self, Answer};
use crate::api::query::{PathId, Query};
use crate::dead_letters::{
    self, BulkChange, Corrected, Correction, DeadLetter, DeadLetterDetails, Filter, Group, Plaintext,
    Selection,
};
use crate::error::Error;
use crate::limits::MAX_FILTER_IDS;
use crate::page::{Limit, Page, PageRequest};

/// The states of the dead letters to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct States {
    /// In one of these states, or in any with `all`; `open` by default. The parameter is repeated for each state.
    #[serde(default)]
    #[param(inline)]
    state: Vec<StateOrAll>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "it must be open, replaying, resolved, discarded, superseded or all")]
enum StateOrAll {
    State(DeadLetterState),
    All(#[schema(inline)] All),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

impl States {
    /// The states; none for any.
    fn list(self) -> Vec<DeadLetterState> {
        if self.state.is_empty() {
            return vec![DeadLetterState::Open];
        }
        let states = self.state.into_iter().map(|state| match state {
            StateOrAll::State(state) => Some(state),
            StateOrAll::All(All::All) => None,
        });
        states.collect::<Option<_>>().unwrap_or_default()
    }
}

/// Dead letters, the last to fail first.
#[utoipa::path(
    get,
    path = "/dead-letters",
    params(Filter, States, PageRequest),
    responses((
        status = 200,
        description = "A page. A letter that fails again meanwhile moves to the beginning",
        body = Page<DeadLetter>,
        links(
            ("letter" = (operation_id = "letter", parameters(("id" = "$response.body#/items/0/id")))),
            ("reveal" = (operation_id = "reveal", parameters(("id" = "$response.body#/items/0/id")))),
            ("correct" = (operation_id = "correct", parameters(("id" = "$response.body#/items/0/id"))))
        )
    ))
)]
pub(crate) async fn letters(
    Authenticated { api, .. }: Authenticated,
    Query(filter, states, page): Query<Filter, States, PageRequest>,
) -> Answer<Page<DeadLetter>> {
    Ok(Json(dead_letters::list(&api.database, &filter, &states.list(), page).await?))
}

/// A number of letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    letters: u64,
}

/// The number of matching dead letters.
#[utoipa::path(
    get,
    path = "/dead-letters/count",
    params(Filter, States),
    responses((status = 200, description = "The number", body = Count))
)]
pub(crate) async fn count(
    Authenticated { api, .. }: Authenticated,
    Query(filter, states, _): Query<Filter, States>,
) -> Answer<Count> {
    Ok(Json(Count { letters: dead_letters::count(&api.database, &filter, &states.list()).await? }))
}

/// A complete list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    items: Vec<T>,
}

/// Dead letters by cause, the most frequent cause first.
#[utoipa::path(
    get,
    path = "/dead-letters/groups",
    params(Filter, States, Limit),
    responses((
        status = 200,
        description = "The causes; the fingerprint of each is a filter for its letters",
        body = List<Group>
    ))
)]
pub(crate) async fn groups(
    Authenticated { api, .. }: Authenticated,
    Query(filter, states, Limit { limit }): Query<Filter, States, Limit>,
) -> Answer<List<Group>> {
    Ok(Json(List { items: dead_letters::groups(&api.database, &filter, &states.list(), limit).await? }))
}

/// The numbers of open dead letters, by class and age.
#[utoipa::path(
    get,
    path = "/dead-letters/open",
    responses((status = 200, description = "Every class and age, with 0 for those without letters", body = List<Open>))
)]
pub(crate) async fn open(Authenticated { api, .. }: Authenticated, _: Query) -> Answer<List<Open>> {
    Ok(Json(List { items: open_letters::open(&api.database).await.map_err(Error::from)? }))
}

/// One dead letter with its history. Its payload is masked.
#[utoipa::path(
    get,
    path = "/dead-letters/{id}",
    params(PathId),
    responses((status = 200, description = "The letter", body = DeadLetterDetails))
)]
pub(crate) async fn letter(
    Authenticated { api, .. }: Authenticated,
    PathId(id): PathId,
    _: Query,
) -> Answer<DeadLetterDetails> {
    Ok(Json(dead_letters::show(&api.database, &api.seal, id).await?))
}

/// A payload in clear.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revealed {
    /// The body as CareQ would send it, which can be corrected; a text if the bytes could not be decoded.
    #[schema(value_type = serde_json::Value)]
    payload: Plaintext,
}

/// The reason for revealing a payload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// For the audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// The payload in clear. The entry of the audit log is written first.
#[utoipa::path(
    post,
    path = "/dead-letters/{id}/reveal",
    params(PathId),
    request_body = Reason,
    responses(
        (status = 200, description = "The payload", body = Revealed),
        (status = 409, description = "The payload is encrypted with an unknown key"),
        (status = 429, description = "Too many payloads were revealed within a minute; Retry-After says when to try again")
    )
)]
pub(crate) async fn reveal(
    Operator { api, actor }: Operator,
    PathId(id): PathId,
    _: Query,
    JsonBody(Reason { reason }): JsonBody<Reason>,
) -> Answer<Revealed> {
    let payload = dead_letters::reveal(&api.database, &api.seal, &actor, id, &reason).await?;
    Ok(Json(Revealed { payload: payload.plaintext()? }))
}

/// A correction of a dead letter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCorrection {
    /// The whole body, as CareQ would send it. The field rules of the webhooks apply.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    body: Box<RawValue>,
    /// The kind of the event, required if that of the letter is unknown.
    #[serde(default)]
    kind: Option<Kind>,
}

/// Replaces the body by a corrected one, and replays it.
#[utoipa::path(
    post,
    path = "/dead-letters/{id}/correct",
    params(PathId),
    request_body = NewCorrection,
    responses(
        (status = 201, description = "The dead letter of the correction, and the job that replays it", body = Corrected),
        (status = 409, description = "The letter is not open, or the correction changes nothing")
    )
)]
pub(crate) async fn correct(
    Operator { api, actor }: Operator,
    PathId(id): PathId,
    _: Query,
    JsonBody(NewCorrection { body, kind }): JsonBody<NewCorrection>,
) -> Result<(StatusCode, Json<Corrected>), ApiError> {
    let body = Document::parse(body.get().as_bytes());
    let body = body.map_err(|fault| error::field("body", fault.to_string()))?;
    let correction = Correction { body, kind, limits: api.record_limits };
    let corrected = dead_letters::correct(&api.database, &api.seal, &actor, id, correction).await?;
    Ok((StatusCode::CREATED, Json(corrected)))
}

/// The letters to discard or reopen, and the reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonedSelection {
    /// The letters that match and have a state that the action changes.
    #[serde(default)]
    filter: Filter,
    /// Every such letter: required with an empty filter, and refused with any other.
    #[serde(default)]
    all: bool,
    /// For the audit log.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Discards open letters, with a reason. They stay stored.
#[utoipa::path(
    post,
    path = "/dead-letters/discard",
    request_body = ReasonedSelection,
    responses(
        (status = 200, description = "The number of discarded letters", body = BulkChange),
        (status = 404, description = "The only selected letter does not exist"),
        (status = 409, description = "No open letter matches")
    )
)]
pub(crate) async fn discard(
    Operator { api, actor }: Operator,
    _: Query,
    JsonBody(ReasonedSelection { filter, all, reason }): JsonBody<ReasonedSelection>,
) -> Answer<BulkChange> {
    Ok(Json(dead_letters::discard(&api.database, &actor, &selection(filter, all)?, &reason).await?))
}

/// Reopens discarded and superseded letters, with a reason.
#[utoipa::path(
    post,
    path = "/dead-letters/reopen",
    request_body = ReasonedSelection,
    responses(
        (status = 200, description = "The number of reopened letters", body = BulkChange),
        (status = 404, description = "The only selected letter does not exist"),
        (status = 409, description = "No discarded or superseded letter matches")
    )
)]
pub(crate) async fn reopen(
    Operator { api, actor }: Operator,
    _: Query,
    JsonBody(ReasonedSelection { filter, all, reason }): JsonBody<ReasonedSelection>,
) -> Answer<BulkChange> {
    Ok(Json(dead_letters::reopen(&api.database, &actor, &selection(filter, all)?, &reason).await?))
}

/// The dead letters that a body selects.
pub(super) fn selection(filter: Filter, all: bool) -> Result<Selection, ApiError> {
    if filter.ids.len() > MAX_FILTER_IDS {
        return Err(error::field("filter.ids", format!("at most {MAX_FILTER_IDS} ids are allowed")));
    }
    Ok(Selection::new(filter, all)?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_ids_of_a_body_are_limited() {
        let filter = |ids| Filter { ids: vec![Uuid::nil(); ids], ..Filter::default() };
        assert!(selection(filter(MAX_FILTER_IDS), false).is_ok());
        let refused = format!("{:?}", selection(filter(MAX_FILTER_IDS + 1), false).unwrap_err());
        assert!(refused.contains("at most 1000 ids are allowed"), "{refused}");
    }
}
