//! The filter of dead letters. List, replay and discard share it, so that a list shows exactly what a replay with the same filter
//! replays. An empty filter matches every dead letter; [`Selection`](super::Selection) refuses it for actions.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::entities::dead_letter::Column;
use careq_shared::instant;
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, Condition};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::schema;

/// What must hold of a letter; what is not set holds of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this clinic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clinic_id: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::kind_or_null)]
    pub kind: Option<Kind>,
    /// About CareQ's record of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub careq_id: Option<i64>,
    /// Dead for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::class_or_null)]
    pub class: Option<Class>,
    /// With this code of the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of this cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Failed last at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "instant::deserialize")]
    pub since: Option<DateTime<Utc>>,
    /// Failed last before this moment.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "instant::deserialize")]
    pub until: Option<DateTime<Utc>>,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
    /// In one of these states. Only a list looks at it: what can be replayed or discarded is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(schema_with = schema::dead_letter_states)]
    pub states: Vec<DeadLetterState>,
}

impl Filter {
    /// Whether it matches every dead letter. States are ignored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { states: self.states.clone(), ..Self::default() }
    }

    /// The id, if the filter has exactly one.
    pub(crate) fn only_id(&self) -> Option<Uuid> {
        match self.ids.as_slice() {
            [id] => Some(*id),
            _ => None,
        }
    }

    /// The condition for open dead letters that match.
    pub(crate) fn open(&self) -> Condition {
        self.in_states(&[DeadLetterState::Open])
    }

    /// The condition for dead letters in these states that match.
    pub(crate) fn in_states(&self, states: &[DeadLetterState]) -> Condition {
        Self { states: states.to_vec(), ..self.clone() }.condition()
    }

    /// The condition for dead letters that match.
    pub(crate) fn condition(&self) -> Condition {
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
            .add_option((!self.states.is_empty()).then(|| Column::State.is_in(self.states.iter().copied())))
    }
}
