//! Query parameters. An unknown parameter is refused, since a filter with a misspelled name would match every dead letter.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query as RawQuery};
use axum::http::request::Parts;
use careq_shared::records::FieldErrors;

use crate::api::error::{ApiError, NUL};
use crate::api::openapi::parameter::Parameter;

/// A type that is read from query parameters.
pub(crate) trait FromQuery: Sized {
    /// The parameters, in the order of the OpenAPI document.
    fn parameters() -> Vec<Parameter>;

    /// Reads the value. Faults are collected in `query`, so the value after a fault is discarded.
    fn read(query: &mut QueryParameters) -> Self;
}

/// No parameters.
impl FromQuery for () {
    fn parameters() -> Vec<Parameter> {
        Vec::new()
    }

    fn read(_: &mut QueryParameters) -> Self {}
}

/// The parameters of both.
impl<A: FromQuery, B: FromQuery> FromQuery for (A, B) {
    fn parameters() -> Vec<Parameter> {
        [A::parameters(), B::parameters()].concat()
    }

    fn read(query: &mut QueryParameters) -> Self {
        (A::read(query), B::read(query))
    }
}

/// The extractor of a query. It refuses invalid values and unknown parameters, all in one response.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: FromQuery> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = RawQuery::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let RawQuery(pairs) = pairs.map_err(|_| ApiError::invalid("The query cannot be read"))?;
        let mut query = QueryParameters::new(pairs);
        let value = T::read(&mut query);
        query.finish().map(|()| Self(value))
    }
}

/// The parameters of a query that is being read. Reading removes a parameter; those that are left at the end are unknown.
#[derive(Debug)]
pub(crate) struct QueryParameters {
    unread: BTreeMap<String, Vec<String>>,
    known: Vec<&'static str>,
    faults: FieldErrors,
}

impl QueryParameters {
    fn new(pairs: Vec<(String, String)>) -> Self {
        let mut unread: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            unread.entry(name).or_default().push(value);
        }
        Self { unread, known: Vec::new(), faults: FieldErrors::new() }
    }

    /// The values of a parameter that may be repeated.
    pub(super) fn repeated<T: FromStr<Err: Display>>(&mut self, parameter: Parameter) -> Vec<T> {
        let name = parameter.name;
        self.known.push(name);
        let values = self.unread.remove(name).unwrap_or_default();
        values.iter().filter_map(|value| self.parsed(name, value)).collect()
    }

    /// The value of a parameter that may be given once.
    pub(super) fn single<T: FromStr<Err: Display>>(&mut self, parameter: Parameter) -> Option<T> {
        let name = parameter.name;
        self.known.push(name);
        let values = self.unread.remove(name)?;
        let [value] = values.as_slice() else {
            self.fault(name, "it may be said once");
            return None;
        };
        self.parsed(name, value)
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, value: &str) -> Option<T> {
        let parsed = if value.contains('\0') {
            Err(NUL.to_owned())
        } else {
            value.parse().map_err(|fault: T::Err| fault.to_string())
        };
        match parsed {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.fault(name, &sentence);
                None
            }
        }
    }

    /// Records a fault of a parameter.
    pub(super) fn fault(&mut self, name: &str, sentence: &str) {
        self.faults.entry(name.to_owned()).or_default().push(sentence.to_owned());
    }

    /// All faults, including unknown parameters.
    fn finish(mut self) -> Result<(), ApiError> {
        let names = self.known.join(", ");
        for name in std::mem::take(&mut self.unread).into_keys().filter(|name| !name.contains('\0')) {
            let known = if names.is_empty() { "no words are known here" } else { &names };
            self.fault(&name, &format!("it is not known; what is: {known}"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::validation(self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Parameter = Parameter::CAREQ_ID;

    fn query(pairs: &[(&str, &str)]) -> QueryParameters {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        QueryParameters::new(pairs.collect())
    }

    #[test]
    fn a_parameter_is_read_once() {
        let mut read = query(&[("careq_id", "7")]);
        assert_eq!(read.single::<i64>(NUMBER), Some(7));
        assert!(read.finish().is_ok());
        let mut twice = query(&[("careq_id", "7"), ("careq_id", "8")]);
        assert_eq!(twice.single::<i64>(NUMBER), None);
        assert!(twice.finish().is_err());
    }

    #[test]
    fn unknown_parameters_and_invalid_values_are_refused() {
        assert!(query(&[("clinic", "a")]).finish().is_err());
        for value in ["x", "7\0"] {
            let mut read = query(&[("careq_id", value)]);
            assert_eq!(read.single::<i64>(NUMBER), None);
            assert!(read.finish().is_err(), "{value}");
        }
    }
}
