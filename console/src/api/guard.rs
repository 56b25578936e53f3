//! Who calls, and what it may do. A request must never reach a handler but through here; and whatever the library asks an `Actor` for
//! is open to operators alone, since no handler has one from elsewhere.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{AdminName, bearer_token};
use careq_shared::secret::Digest;
use sea_orm::DbErr;

use super::problem::Problem;
use super::server::Api;
use crate::admins::{self, Admin, Role};
use crate::audit::{Actor, Origin};

/// Who calls; made nowhere but here.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) admin: Admin,
    token: Digest,
}

impl Caller {
    /// Whether its token is still good, for an answer that takes long.
    pub(super) async fn is_still_known(&self, api: &Api) -> Result<bool, DbErr> {
        Ok(admins::of_token(&api.database, &self.token).await?.as_ref() == Some(&self.admin))
    }
}

/// Lets in whoever has the token of an admin. There are no cookies: a page of another site cannot act in an admin's name, since its
/// browser adds no token by itself.
pub(super) async fn guard(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let caller = match caller(&api, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let name = AdminName(caller.admin.name.clone());
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(name);
    response
}

async fn caller(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    // Whoever sends no token at all must not cost a look into the database.
    let token = Digest::of(bearer_token(headers).ok_or_else(Problem::authentication_failed)?);
    let admin =
        admins::of_token(&api.database, &token).await.map_err(|fault| Problem::of_database(&fault))?;
    admin.map(|admin| Caller { admin, token }).ok_or_else(Problem::authentication_failed)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::authentication_failed)
    }
}

/// Somebody who may act.
#[derive(Debug)]
pub(super) struct Operator(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Caller { admin, .. } = Caller::from_request_parts(parts, state).await?;
        match admin.role {
            Role::Operator => Ok(Self(Actor { name: admin.name, origin: Origin::Api })),
            Role::Reader => Err(Problem::not_allowed(&admin)),
        }
    }
}
