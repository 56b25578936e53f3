//! The callers of authenticated APIs, and the routes of such an API. A handler without a caller does not compile into the router.

use std::any;

use axum::Router;
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::routing::post;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{HttpMethod, Operation, Paths};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::error::ApiError;

/// An extractor of the authenticated caller.
pub trait Caller {}

/// Takes an extension that the authentication has inserted into the request.
///
/// # Errors
/// 500, if the request has no extension of this type.
pub fn take_extension<T: Send + Sync + 'static>(parts: &mut Parts) -> Result<T, ApiError> {
    parts.extensions.remove().ok_or_else(|| {
        let cause = format!("the request has no {}", any::type_name::<T>());
        ApiError::server_error("Internal server error").with_cause(cause)
    })
}

/// The arguments of a handler whose first is its [`Caller`]. `M` is the marker that axum puts before them.
#[diagnostic::on_unimplemented(
    message = "the first argument of the handler is not its caller, or the handler has more than four arguments"
)]
pub trait CallerFirst {}

impl<M, C: Caller> CallerFirst for (M, C) {}
impl<M, C: Caller, T1> CallerFirst for (M, C, T1) {}
impl<M, C: Caller, T1, T2> CallerFirst for (M, C, T1, T2) {}
impl<M, C: Caller, T1, T2, T3> CallerFirst for (M, C, T1, T2, T3) {}

/// The described routes of an authenticated API. They have no state: a handler reaches everything through its caller. Each handler takes
/// its [`Caller`] as the first argument:
///
/// ```
/// # use axum::{extract::FromRequestParts, http::{Uri, request::Parts}};
/// # use careq_http::{ApiError, Caller, CallerRouter, take_extension};
/// # use utoipa::openapi::{OpenApi, path::Operation};
/// struct Admin;
/// impl Caller for Admin {}
/// # impl<S: Send + Sync> FromRequestParts<S> for Admin {
/// #     type Rejection = ApiError;
/// #     async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> { take_extension(parts) }
/// # }
/// async fn echo(_: Admin, uri: Uri) -> String { uri.to_string() }
/// let router = CallerRouter::new(OpenApi::default()).post("/", Operation::new(), echo);
/// ```
///
/// The same handler without its caller does not compile:
///
/// ```compile_fail
/// # use axum::http::Uri;
/// # use careq_http::CallerRouter;
/// # use utoipa::openapi::{OpenApi, path::Operation};
/// async fn echo(uri: Uri) -> String { uri.to_string() }
/// let router = CallerRouter::new(OpenApi::default()).post("/", Operation::new(), echo);
/// ```
pub struct CallerRouter(OpenApiRouter);

impl CallerRouter {
    /// A router without routes, which adds their descriptions to `document`.
    #[must_use]
    pub fn new(document: OpenApi) -> Self {
        Self(OpenApiRouter::with_openapi(document))
    }

    /// Adds a handler that is `described!`.
    #[must_use]
    pub fn with<T: CallerFirst>(self, (_, routes): (impl Handler<T, ()>, UtoipaMethodRouter)) -> Self {
        Self(self.0.routes(routes))
    }

    /// Adds a POST handler with its description.
    #[must_use]
    pub fn post<T: CallerFirst + 'static>(
        self,
        path: &str,
        operation: Operation,
        handler: impl Handler<T, ()>,
    ) -> Self {
        let mut paths = Paths::new();
        paths.add_path_operation(path, vec![HttpMethod::Post], operation);
        Self(self.0.routes((Vec::new(), paths, post(handler))))
    }

    /// The routes, and the document with their descriptions.
    pub fn into_parts(self) -> (Router, OpenApi) {
        self.0.split_for_parts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    #[test]
    fn a_request_without_its_caller_is_answered_500_and_logged() {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.extensions.insert("admin".to_owned());
        assert_eq!(take_extension::<String>(&mut parts).unwrap(), "admin");
        let response = take_extension::<String>(&mut parts).unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(response.extensions().get::<ApiError>().is_some(), "the request log writes its line");
    }
}
