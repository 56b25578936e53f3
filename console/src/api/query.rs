//! The parameters of a request: the id in its path, and its query. An unknown query parameter is refused, since a filter with a
//! misspelled name would match every dead letter.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Path, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use careq_http::ApiError;
use careq_shared::records::FieldErrors;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};
use uuid::Uuid;

use crate::api::error;

/// The id in a path. A text that is no UUID is answered 404.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(crate) struct PathId(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = Path::<Uuid>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id))
            .map_err(|_| error::not_found("The id in the path is no UUID, and nothing has it"))
    }
}

/// Those parameters of a query that `T` describes. A handler may extract several types; [`KnownParameters`] refuses all others.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        read(parts.uri.query().unwrap_or_default(), &T::into_params(|| None)).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str, parameters: &[Parameter]) -> Result<T, ApiError> {
    let is_described = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
    let mut described = Vec::new();
    for (name, value) in pairs(query).filter(|(name, _)| is_described(name)) {
        // A parameter without a value must not be taken for one that is not given.
        if value.is_empty() || value.contains("%00") {
            return Err(error::field(name, "it must be a text without NUL characters, and not be empty"));
        }
        described.push(format!("{name}={value}"));
    }
    let described = described.join("&");
    let deserializer = serde_html_form::Deserializer::from_bytes(described.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|fault| {
        let name = fault.path().iter().next().map(ToString::to_string).unwrap_or_default();
        error::field(&name, fault.into_inner().to_string())
    })
}

/// The names and values of a query, as they were sent. Names of parameters are never percent-encoded.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The names of the query parameters by method and path, from the OpenAPI document.
#[derive(Debug)]
pub(crate) struct KnownParameters(HashMap<(Method, String), Vec<String>>);

impl KnownParameters {
    pub(crate) fn from_document(document: &OpenApi, prefix: &str) -> Self {
        let operations = document.paths.paths.iter().flat_map(|(path, item)| {
            let operations = [(Method::GET, &item.get), (Method::POST, &item.post)].into_iter();
            operations.filter_map(move |(method, operation)| Some((method, path, operation.as_ref()?)))
        });
        let names = operations.map(|(method, path, operation)| {
            let names = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
                RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
                    Some(parameter.name.clone())
                }
                _ => None,
            });
            ((method, format!("{prefix}{path}")), names.collect())
        });
        Self(names.collect())
    }
}

/// Refuses a query with parameters that the document does not describe.
pub(crate) async fn refuse_unknown(
    State(known): State<Arc<KnownParameters>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let operation = path.map(|path| (request.method().clone(), path.as_str().to_owned()));
    let Some(names) = operation.and_then(|operation| known.0.get(&operation)) else {
        return next.run(request).await;
    };
    let query = request.uri().query().unwrap_or_default();
    let unknown = pairs(query).filter(|(name, _)| !names.iter().any(|known| known == name));
    let sentence = || format!("it is not known; the parameters are: {}", names.join(", "));
    let details: FieldErrors = unknown.map(|(name, _)| (name.to_owned(), vec![sentence()])).collect();
    if details.is_empty() { next.run(request).await } else { error::validation(details).into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::Filter;

    fn filter(query: &str) -> Result<Filter, ApiError> {
        read(query, &Filter::into_params(|| None))
    }

    #[test]
    fn a_filter_has_the_parameters_that_are_given() {
        let read = filter("limit=5&careq_id=7&code=a%26b&id=6ba7b812-9dad-11d1-80b4-00c04fd430c8").unwrap();
        assert_eq!((read.careq_id, read.code.as_deref(), read.ids.len()), (Some(7), Some("a&b"), 1));
        assert_eq!(filter("limit=5").unwrap(), Filter::default());
    }

    #[test]
    fn empty_repeated_and_invalid_values_are_refused() {
        for query in [
            "careq_id=x",
            "careq_id=7%00",
            "careq_id=",
            "careq_id",
            "careq_id=7&careq_id=8",
            "kind=",
            "kind=x",
            "id=x",
            "since=yesterday",
            "code=",
            "code=%00",
        ] {
            assert!(filter(query).is_err(), "{query}");
        }
    }
}
