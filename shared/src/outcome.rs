//! What became of an event. Every event has exactly one outcome at any time; there must never be a way to settle a
//! message without one.

use serde::{Deserialize, Serialize};

use crate::records::{FieldErrors, Kind, RecordKind};

/// The specification's error codes (section "Error Handling").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// 401.
    AuthenticationFailed,
    /// 422.
    ValidationError,
    /// 409.
    DuplicateRecord,
    /// 404.
    RecordNotFound,
    /// 400.
    InvalidRequest,
    /// 500, and 503 where trying again later helps.
    ServerError,
    /// 429.
    RateLimitExceeded,
}

impl ErrorCode {
    /// The code as the specification writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::DuplicateRecord => "DUPLICATE_RECORD",
            Self::RecordNotFound => "RECORD_NOT_FOUND",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::ServerError => "SERVER_ERROR",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
        }
    }

    const ALL: [Self; 7] = [
        Self::AuthenticationFailed,
        Self::ValidationError,
        Self::DuplicateRecord,
        Self::RecordNotFound,
        Self::InvalidRequest,
        Self::ServerError,
        Self::RateLimitExceeded,
    ];

    /// The code that a stored word stands for; nothing for a word that this version does not know.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }
}

/// A record that an event needs and that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The kind of record.
    pub kind: RecordKind,
    /// CareQ's identifier of it.
    pub careq_id: i64,
}

impl Parent {
    /// The field of the child's body that names it.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self.kind {
            RecordKind::Patient => "patient_careq_id",
            RecordKind::Doctor => "doctor_careq_id",
            RecordKind::Service => "service_careq_id",
            RecordKind::Appointment => "careq_id",
        }
    }
}

/// Why an event failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The specification's code.
    pub code: ErrorCode,
    /// A sentence that a person can act on. It must never hold a patient's data.
    pub message: String,
}

/// The state of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The record did not exist and does now.
    Created,
    /// The record was replaced by this newer version.
    Updated,
    /// Older than what is stored, or identical to it.
    Unchanged,
    /// Kept until these parents arrive.
    Waiting(Vec<Parent>),
    /// Kept for another attempt.
    Retrying,
    /// Ended in a dead letter.
    Failed(Failure),
}

impl Outcome {
    /// The word in the ledger's `outcome` column.
    #[must_use]
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

    /// Whether nothing will change it but a person.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting(_) | Self::Retrying)
    }
}

/// The outcome of one event with all that an answer needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult {
    /// What became of it.
    pub outcome: Outcome,
    /// The status that the appointment has now, for appointments, statuses and cancellations.
    pub appointment_status: Option<String>,
    /// Whether this is the answer of an earlier copy.
    pub replayed: bool,
}

/// Why a batch is refused whose `batch_id` belongs to another one.
pub const BATCH_ID_REUSED: &str = "The batch_id was used before for other content";

/// The messages of an event that waits, one for each missing parent, by the field that names it.
#[must_use]
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
