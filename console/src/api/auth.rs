//! Authentication and authorization. The middleware authenticates every request before routing. The extractors [`Authenticated`] and
//! [`Operator`] give a handler the caller. The library's changes require an [`Actor`], which only [`Operator`] provides, so a reader
//! cannot make one.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{AdminName, ApiError, bearer_token};
use careq_shared::audit::{Actor, Origin};
use careq_shared::secret::Digest;
use sea_orm::DbErr;

use crate::admins::token::{self, Admin, Role};
use crate::api::error;
use crate::api::state::Api;

/// An authenticated caller. Only this module constructs it.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) admin: Admin,
    token: Digest,
}

impl Authenticated {
    /// Whether the token is still valid and the admin unchanged, for a stream.
    pub(crate) async fn is_still_valid(&self, api: &Api) -> Result<bool, DbErr> {
        Ok(token::authenticate(&api.database, &self.token).await?.as_ref() == Some(&self.admin))
    }
}

/// Authenticates a request by its bearer token. There are no cookies, so another site cannot forge a request: a browser does not add a
/// bearer token by itself.
pub(crate) async fn authenticate(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let caller = match caller(&api, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let name = AdminName(caller.admin.name.clone());
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(name);
    response
}

async fn caller(api: &Api, headers: &HeaderMap) -> Result<Authenticated, ApiError> {
    // A request without a token is refused before the database is queried.
    let token = Digest::new(bearer_token(headers).ok_or_else(error::authentication_failed)?);
    let admin = token::authenticate(&api.database, &token).await;
    let admin = admin.map_err(|fault| error::from_database(&fault))?;
    admin.map(|admin| Authenticated { admin, token }).ok_or_else(error::authentication_failed)
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(error::authentication_failed)
    }
}

/// An authenticated caller with the role of an operator, as the actor of the audit log.
#[derive(Debug)]
pub(crate) struct Operator(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Authenticated { admin, .. } = Authenticated::from_request_parts(parts, state).await?;
        match admin.role {
            Role::Operator => Ok(Self(Actor { name: admin.name, origin: Origin::Api })),
            Role::Reader => Err(error::not_allowed(&admin)),
        }
    }
}
