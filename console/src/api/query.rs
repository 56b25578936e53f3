//! The parameters of a request: the id in its path, and its query. An unknown query parameter is refused, since a filter with a
//! misspelled name would match every dead letter.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use careq_http::ApiError;
use careq_shared::records::FieldErrors;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
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

/// The parameters of a query, which up to three types describe. Every wrong or unknown parameter is named in one response.
#[derive(Debug)]
pub(crate) struct Query<A = Nothing, B = Nothing, C = Nothing>(pub(crate) A, pub(crate) B, pub(crate) C);

/// No parameters.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct Nothing {}

impl<S, A, B, C> FromRequestParts<S> for Query<A, B, C>
where
    S: Send + Sync,
    A: DeserializeOwned + IntoParams,
    B: DeserializeOwned + IntoParams,
    C: DeserializeOwned + IntoParams,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let parameters = [A::into_params(|| None), B::into_params(|| None), C::into_params(|| None)].concat();
        let (valid, mut errors) = check(parts.uri.query().unwrap_or_default(), &parameters);
        match (read(&valid, &mut errors), read(&valid, &mut errors), read(&valid, &mut errors)) {
            (Some(a), Some(b), Some(c)) if errors.is_empty() => Ok(Self(a, b, c)),
            _ => Err(error::validation(errors)),
        }
    }
}

/// The names and values that the description of the parameters allows, as they were sent, and the errors of the others. Names of
/// parameters are never percent-encoded.
fn check<'query>(
    query: &'query str,
    parameters: &[Parameter],
) -> (Vec<(&'query str, &'query str)>, FieldErrors) {
    let mut given = BTreeMap::<_, Vec<_>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        given.entry(name).or_default().push(value);
    }
    let (mut valid, mut errors) = (Vec::new(), FieldErrors::new());
    for (name, values) in given {
        let error = match parameters.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => broken_rule(parameter, &values),
            None => Some(unknown(parameters)),
        };
        if let Some(sentence) = error {
            errors.insert(name.to_owned(), vec![sentence]);
        } else {
            valid.extend(values.into_iter().map(|value| (name, value)));
        }
    }
    (valid, errors)
}

fn unknown(parameters: &[Parameter]) -> String {
    let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    if names.is_empty() {
        return "it is not known; this request has no parameters".to_owned();
    }
    format!("it is not known; the parameters are: {}", names.join(", "))
}

/// The rule of a parameter's description that its values break.
fn broken_rule(parameter: &Parameter, values: &[&str]) -> Option<String> {
    let values: Vec<_> = values.iter().map(|value| percent_decode_str(value).decode_utf8_lossy()).collect();
    // A parameter without a value must not be taken for one that is not given.
    if values.iter().any(|value| value.is_empty() || value.contains('\0')) {
        return Some("it must be a text without NUL characters, and not be empty".to_owned());
    }
    match &parameter.schema {
        // The limit of a request's head limits a list.
        Some(RefOr::T(Schema::Array(_))) => None,
        _ if values.len() > 1 => Some("it may be given once".to_owned()),
        Some(RefOr::T(Schema::Object(object)))
            if is_integer(&object.schema_type) && !values.iter().all(|value| is_canonical(value)) =>
        {
            Some("it must be a whole number without a plus sign or leading zeros".to_owned())
        }
        _ => None,
    }
}

fn is_integer(schema_type: &SchemaType) -> bool {
    match schema_type {
        SchemaType::Type(kind) => *kind == Type::Integer,
        SchemaType::Array(kinds) => kinds.contains(&Type::Integer),
        SchemaType::AnyValue => false,
    }
}

/// Whether a text is a whole number in its only form. Its type limits it when it is read.
fn is_canonical(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (value == "0" || !digits.starts_with('0'))
}

/// The value of a type, from those parameters that it describes. A parameter with an error is removed, so that errors of others are
/// found, too.
fn read<T: DeserializeOwned + IntoParams>(valid: &[(&str, &str)], errors: &mut FieldErrors) -> Option<T> {
    let described = T::into_params(|| None);
    let is_described = |name: &str| described.iter().any(|parameter| parameter.name == name);
    let mut pairs: Vec<_> = valid.iter().filter(|(name, _)| is_described(name)).collect();
    loop {
        let query: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = query.join("&");
        let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        let fault = match serde_path_to_error::deserialize(deserializer) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        let wrong = fault.path().iter().next().map(ToString::to_string).unwrap_or_default();
        errors.insert(wrong.clone(), vec![fault.into_inner().to_string()]);
        let count = pairs.len();
        pairs.retain(|(name, _)| *name != wrong);
        if pairs.len() == count {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::dead_letters::Filter;
    use crate::page::PageRequest;

    async fn extract(query: &str) -> Result<Query<Filter, PageRequest>, ApiError> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn a_query_has_the_parameters_that_are_given() {
        let query = "limit=5&careq_id=7&code=a%26b&id=6ba7b812-9dad-11d1-80b4-00c04fd430c8";
        let Query(read, page, _) = extract(query).await.unwrap();
        assert_eq!((read.careq_id, read.code.as_deref(), read.ids.len()), (Some(7), Some("a&b"), 1));
        assert_eq!(page.limit, 5);
        assert_eq!(extract("limit=5").await.unwrap().0, Filter::default());
    }

    #[tokio::test]
    async fn empty_repeated_unknown_and_invalid_values_are_refused() {
        for query in [
            "careq_id=x",
            "careq_id=7%00",
            "careq_id=",
            "careq_id",
            "careq_id=7&careq_id=8",
            "careq_id=07",
            "careq_id=%2B7",
            "careq_id=%30%37",
            "careq_id=-",
            "careq_id=+7",
            "careq_id=-0",
            "careq_id=9223372036854775808",
            "limit=05",
            "limit=501",
            "clinic=x",
            "ids=6ba7b812-9dad-11d1-80b4-00c04fd430c8",
            "kind=",
            "kind=x",
            "id=x",
            "since=yesterday",
            "code=",
            "code=%00",
        ] {
            let refused = format!("{:?}", extract(query).await.expect_err(query));
            let name = query.split('=').next().unwrap();
            assert!(refused.contains(&format!("details: {{\"{name}\": [")), "{query}: {refused}");
        }
    }

    #[tokio::test]
    async fn all_wrong_parameters_are_refused_together() {
        let query = "careq_id=07&kind=x&class=x&id=x&since=x&limit=0&after=x&clinic=x&code=a&code=b";
        let refused = format!("{:?}", extract(query).await.unwrap_err());
        for name in ["careq_id", "kind", "class", "id", "since", "limit", "after", "clinic", "code"] {
            assert!(refused.contains(&format!("\"{name}\": [")), "{name} is not in {refused}");
        }
    }

    #[tokio::test]
    async fn a_number_is_decoded_and_one_beyond_its_type_is_too_large() {
        for (query, number) in [("careq_id=%37", 7), ("careq_id=%2D10", -10), ("careq_id=0", 0)] {
            assert_eq!(extract(query).await.unwrap().0.careq_id, Some(number), "{query}");
        }
        for digits in [19, 50] {
            let query = format!("careq_id={}", "9".repeat(digits));
            let refused = format!("{:?}", extract(&query).await.unwrap_err());
            assert!(refused.contains("number too large"), "{refused}");
        }
    }
}
