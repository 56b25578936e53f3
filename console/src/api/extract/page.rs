//! The query parameters of a page.

use std::fmt::Display;
use std::str::FromStr;

use super::query::{FromQuery, QueryParameters};
use super::values::Canonical;
use crate::api::openapi::parameter::Parameter;
use crate::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT};
use crate::page::PageRequest;

/// The highest number of items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) u64);

impl FromQuery for Limit {
    fn parameters() -> Vec<Parameter> {
        vec![Parameter::LIMIT]
    }

    fn read(query: &mut QueryParameters) -> Self {
        let limit = query.single::<Canonical<_>>(Parameter::LIMIT);
        let limit = limit.map_or(DEFAULT_PAGE_LIMIT, |Canonical(limit)| limit);
        if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
            query.fault(Parameter::LIMIT.name, &format!("it must be from 1 to {MAX_PAGE_LIMIT}"));
        }
        Self(limit)
    }
}

impl<C: FromStr<Err: Display>> FromQuery for PageRequest<C> {
    fn parameters() -> Vec<Parameter> {
        vec![Parameter::LIMIT, Parameter::AFTER]
    }

    fn read(query: &mut QueryParameters) -> Self {
        let after = query.single(Parameter::AFTER);
        let Limit(limit) = Limit::read(query);
        Self { after, limit }
    }
}
