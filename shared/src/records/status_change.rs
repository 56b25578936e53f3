//! A new status of an appointment (API specification, section 5). Its notes are stored apart from the appointment's
//! own notes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::appointment::STATUSES;
use super::form::Form;

/// A status change as CareQ sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusChange {
    /// A status of the specification.
    pub status: String,
    /// Stored as `status_notes`.
    pub notes: Option<String>,
    /// The version of the change.
    pub updated_at: Option<DateTime<Utc>>,
}

impl StatusChange {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        Self {
            status: form.required_one_of("status", &STATUSES),
            notes: form.long_text("notes"),
            updated_at: form.version("updated_at"),
        }
    }
}
