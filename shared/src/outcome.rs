//! The outcome of an event. Every event has exactly one outcome at any time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::records::{FieldErrors, Kind, RecordKind};
use crate::words;

words! {
    /// The specification's error codes (section "Error Handling").
    ErrorCode {
        /// 401.
        AuthenticationFailed = "AUTHENTICATION_FAILED",
        /// 422.
        ValidationError = "VALIDATION_ERROR",
        /// 409.
        DuplicateRecord = "DUPLICATE_RECORD",
        /// 404.
        RecordNotFound = "RECORD_NOT_FOUND",
        /// 400.
        InvalidRequest = "INVALID_REQUEST",
        /// 500, and 503 if a later attempt may succeed.
        ServerError = "SERVER_ERROR",
        /// 429.
        RateLimitExceeded = "RATE_LIMIT_EXCEEDED",
    }
}

/// A record that an event refers to and that is not stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Parent {
    /// The kind of record.
    pub kind: RecordKind,
    /// CareQ's identifier of the record.
    pub careq_id: i64,
}

impl Parent {
    /// The field of the child's body that names the parent.
    pub const fn field(&self) -> &'static str {
        match self.kind {
            RecordKind::Patient => "patient_careq_id",
            RecordKind::Doctor => "doctor_careq_id",
            RecordKind::Service => "service_careq_id",
            RecordKind::Appointment => "careq_id",
        }
    }
}

/// The reason for a permanent failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The specification's code.
    pub code: ErrorCode,
    /// A message that a person can act on, without a patient's data.
    pub message: String,
}

/// The state of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The record was inserted.
    Created,
    /// The record was replaced by this newer version.
    Updated,
    /// The event is older than the stored version, or identical to it.
    Unchanged,
    /// The event is parked until these parents arrive.
    Waiting(Vec<Parent>),
    /// The event is parked for another attempt.
    Retrying,
    /// The event is a dead letter.
    Failed(Failure),
}

impl Outcome {
    /// The word in the ledger's `outcome` column.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Waiting(_) => "waiting",
            Self::Retrying => "retrying",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether only a person can change the outcome.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting(_) | Self::Retrying)
    }
}

/// The outcome of an event, with everything that a response needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult {
    /// The outcome.
    pub outcome: Outcome,
    /// The current status of the appointment, for appointments, statuses and cancellations.
    pub appointment_status: Option<String>,
    /// Whether the result is that of an earlier duplicate.
    pub replayed: bool,
}

/// The message for a `batch_id` that belongs to another batch.
pub const BATCH_ID_REUSED: &str = "The batch_id was used before for other content";

/// The messages of a waiting event, one for each missing parent, by the field that names it.
pub fn missing_parents(kind: Kind, missing: &[Parent]) -> FieldErrors {
    let mut details = FieldErrors::new();
    for parent in missing {
        let sentence = format!(
            "{} {} has not been received; the {} is kept and applied when it arrives",
            parent.kind.title(),
            parent.careq_id,
            match kind {
                Kind::Status => "status change",
                Kind::Cancel => "cancellation",
                Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => kind.as_str(),
            }
        );
        details.entry(parent.field().to_owned()).or_default().push(sentence);
    }
    details
}
