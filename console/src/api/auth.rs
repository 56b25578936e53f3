//! Authentication and authorization. The middleware authenticates every request before routing. A handler extracts the caller,
//! [`Authenticated`] or [`Operator`], and reaches the database through it only. The library's changes require an [`Actor`], which only
//! [`Operator`] provides, so a reader cannot make one.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::{AdminName, ApiError, Caller, bearer_token, take_extension};
use careq_shared::audit::{Actor, Origin};
use careq_shared::secret::Digest;
use sea_orm::DbErr;

use crate::admins::token::{self, Admin, Role};
use crate::api::error;
use crate::api::state::Api;

/// An authenticated caller. Only this module constructs it.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) api: Arc<Api>,
    pub(crate) admin: Admin,
    token: Digest,
}

impl Authenticated {
    /// Whether the token is still valid and the admin unchanged, for a stream.
    pub(crate) async fn is_still_valid(&self) -> Result<bool, DbErr> {
        Ok(token::authenticate(&self.api.database, &self.token).await?.as_ref() == Some(&self.admin))
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
    request.extensions_mut().insert(api.body_limits);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(name);
    response
}

async fn caller(api: &Arc<Api>, headers: &HeaderMap) -> Result<Authenticated, ApiError> {
    // A request without a token is refused before the database is queried.
    let token = Digest::new(bearer_token(headers).ok_or_else(error::authentication_failed)?);
    let admin = token::authenticate(&api.database, &token).await;
    let admin = admin.map_err(|fault| error::from_database(&fault))?;
    let admin = admin.ok_or_else(error::authentication_failed)?;
    Ok(Authenticated { api: Arc::clone(api), admin, token })
}

impl Caller for Authenticated {}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        take_extension(parts)
    }
}

/// An authenticated caller with the role of an operator, as the actor of the audit log.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) api: Arc<Api>,
    pub(crate) actor: Actor,
}

impl Caller for Operator {}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Authenticated { api, admin, .. } = take_extension(parts)?;
        match admin.role {
            Role::Operator => {
                let actor = Actor { name: admin.name, origin: Origin::Api };
                Ok(Self { api, actor })
            }
            Role::Reader => Err(error::not_allowed(&admin)),
        }
    }
}
