//! The filter of dead letters. List, replay and discard share it, so that a list shows exactly what a replay with the same filter
//! replays. An empty filter matches every dead letter; [`Selection`] refuses it for actions, of the command line and the admin API
//! alike.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::entities::dead_letter::Column;
use careq_shared::instant;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, Condition};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::Error;

/// The conditions for a dead letter. A condition that is not set matches every one.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this clinic.
    #[param(pattern = "^[^\\u0000]+$")]
    pub clinic_id: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// About CareQ's record of this number.
    pub careq_id: Option<i64>,
    /// Dead for this reason.
    pub class: Option<Class>,
    /// With this code of the specification.
    #[param(pattern = "^[^\\u0000]+$")]
    pub code: Option<String>,
    /// Of this cause, as the groups name it.
    #[param(pattern = "^[^\\u0000]+$")]
    pub fingerprint: Option<String>,
    /// Failed last at this time or later.
    #[serde(deserialize_with = "instant::deserialize")]
    pub since: Option<DateTime<Utc>>,
    /// Failed last before this time.
    #[serde(deserialize_with = "instant::deserialize")]
    pub until: Option<DateTime<Utc>>,
    /// With one of these ids. The body of a request names at most 1,000. In a query, the parameter is repeated for each.
    #[serde(alias = "id", skip_serializing_if = "Vec::is_empty")]
    #[param(rename = "id")]
    pub ids: Vec<Uuid>,
}

impl Filter {
    /// The id, if the filter has exactly one.
    pub(crate) fn only_id(&self) -> Option<Uuid> {
        match self.ids.as_slice() {
            [id] => Some(*id),
            _ => None,
        }
    }

    /// The condition for open dead letters that match.
    pub(crate) fn open(&self) -> Condition {
        self.condition(&[DeadLetterState::Open])
    }

    /// The condition for dead letters that match and are in one of these states; without states, in any.
    pub(crate) fn condition(&self, states: &[DeadLetterState]) -> Condition {
        Condition::all()
            .add_option(self.clinic_id.as_ref().map(|clinic_id| Column::ClinicId.eq(clinic_id)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind.as_str())))
            .add_option(self.careq_id.map(|careq_id| Column::CareqId.eq(careq_id)))
            .add_option(self.class.map(|class| Column::Class.eq(class.as_str())))
            .add_option(self.code.as_ref().map(|code| Column::Code.eq(code)))
            .add_option(self.fingerprint.as_ref().map(|fingerprint| Column::Fingerprint.eq(fingerprint)))
            .add_option(self.since.map(|since| Column::LastSeenAt.gte(since)))
            .add_option(self.until.map(|until| Column::LastSeenAt.lt(until)))
            .add_option((!self.ids.is_empty()).then(|| Column::Id.is_in(self.ids.iter().copied())))
            .add_option((!states.is_empty()).then(|| Column::State.is_in(states.iter().copied())))
    }
}

/// Explicitly selected dead letters: those that match a non-empty filter, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Filter);

impl Selection {
    /// The dead letters that match a filter; or every one, with `all` and an empty filter.
    ///
    /// # Errors
    /// The filter is empty without `all`, or not empty with it.
    pub fn new(filter: Filter, all: bool) -> Result<Self, Error> {
        let is_empty = filter == Filter::default();
        if is_empty == all { Ok(Self(filter)) } else { Err(Error::NoSelection) }
    }

    /// One dead letter.
    #[must_use]
    pub fn only(id: Uuid) -> Self {
        Self(Filter { ids: vec![id], ..Filter::default() })
    }

    /// The filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_dead_letters_are_selected_only_explicitly() {
        let by_code = || Filter { code: Some("SERVER_ERROR".to_owned()), ..Filter::default() };
        let empty_list: Filter = serde_json::from_str(r#"{ "ids": [] }"#).unwrap();
        assert!(Selection::new(by_code(), false).is_ok() && Selection::new(Filter::default(), true).is_ok());
        for (filter, all) in [(by_code(), true), (Filter::default(), false), (empty_list, false)] {
            assert!(matches!(Selection::new(filter, all), Err(Error::NoSelection)));
        }
    }
}
