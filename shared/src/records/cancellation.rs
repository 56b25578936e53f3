//! The cancellation of an appointment (API specification, section 6). A lost one is a patient in an empty corridor: no
//! optional field may ever be a reason to refuse more than its own format. That of the two texts is the limit of all long texts,
//! thousands of times what a reason takes: without it, a few of them fill the memory of a worker.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;

/// A cancellation as CareQ sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Why, in CareQ's words.
    pub cancellation_reason: Option<String>,
    /// By whom, in CareQ's words, such as `patient`.
    pub cancelled_by: Option<String>,
    /// When; the version of the change.
    pub cancelled_at: Option<DateTime<Utc>>,
}

impl Cancellation {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        Self {
            cancellation_reason: form.long_text("cancellation_reason"),
            cancelled_by: form.long_text("cancelled_by"),
            cancelled_at: form.version("cancelled_at"),
        }
    }
}
