//! The filter of dead letters: in a query, and in the body of a request that acts on dead letters.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::replay::JobLetterState;

use super::query::{FromQuery, QueryParameters};
use super::values::{Canonical, KindName, StateOrAll, Timestamp};
use crate::api::error::ApiError;
use crate::api::openapi::parameter::Parameter;
use crate::dead_letters::filter::Filter;
use crate::dead_letters::selection::Selection;
use crate::limits::MAX_FILTER_IDS;

/// The filter without states.
impl FromQuery for Filter {
    fn parameters() -> Vec<Parameter> {
        Parameter::FILTER.to_vec()
    }

    fn read(query: &mut QueryParameters) -> Self {
        let filter = Self {
            clinic_id: query.single(Parameter::CLINIC_ID),
            kind: query.single::<KindName>(Parameter::KIND).map(|KindName(kind)| kind),
            careq_id: query.single::<Canonical<_>>(Parameter::CAREQ_ID).map(|Canonical(number)| number),
            class: query.single(Parameter::CLASS),
            code: query.single(Parameter::CODE),
            fingerprint: query.single(Parameter::FINGERPRINT),
            since: query.single::<Timestamp>(Parameter::SINCE).map(|Timestamp(at)| at),
            until: query.single::<Timestamp>(Parameter::UNTIL).map(|Timestamp(at)| at),
            ids: query.repeated(Parameter::ID),
            states: Vec::new(),
        };
        if filter.ids.len() > MAX_FILTER_IDS {
            query.fault(Parameter::ID.name, &too_many_ids());
        }
        filter
    }
}

/// The filter with states: open dead letters by default, and any with `state=all`.
#[derive(Debug)]
pub(crate) struct FilterWithStates(pub(crate) Filter);

impl FromQuery for FilterWithStates {
    fn parameters() -> Vec<Parameter> {
        [Filter::parameters(), vec![Parameter::STATE]].concat()
    }

    fn read(query: &mut QueryParameters) -> Self {
        let states: Vec<StateOrAll> = query.repeated(Parameter::STATE);
        let states = if states.is_empty() {
            vec![DeadLetterState::Open]
        } else if states.contains(&StateOrAll::All) {
            Vec::new()
        } else {
            states.into_iter().filter_map(StateOrAll::state).collect()
        };
        Self(Filter { states, ..Filter::read(query) })
    }
}

/// The state of a job's dead letters, if given.
#[derive(Debug)]
pub(crate) struct InJobState(pub(crate) Option<JobLetterState>);

impl FromQuery for InJobState {
    fn parameters() -> Vec<Parameter> {
        vec![Parameter::JOB_LETTER_STATE]
    }

    fn read(query: &mut QueryParameters) -> Self {
        Self(query.single(Parameter::JOB_LETTER_STATE))
    }
}

/// The dead letters that a body selects. The operations determine the states, so a filter with states is refused.
pub(crate) fn selection(filter: Filter, all: bool) -> Result<Selection, ApiError> {
    if !filter.states.is_empty() {
        return Err(ApiError::field("filter.states", "only open letters can be replayed or discarded"));
    }
    if filter.ids.len() > MAX_FILTER_IDS {
        return Err(ApiError::field("filter.ids", too_many_ids()));
    }
    Ok(Selection::new(filter, all)?)
}

fn too_many_ids() -> String {
    format!("at most {MAX_FILTER_IDS} letters can be named by their ids")
}
