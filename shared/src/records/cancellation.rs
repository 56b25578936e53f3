//! The cancellation of an appointment (API specification, section 6). A lost cancellation is a patient who comes in
//! vain, so an optional field is refused only for its own format. The two texts have the limit of all long texts:
//! without it, a few of them fill the memory of a worker.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;

/// A cancellation as CareQ sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The reason, in CareQ's words.
    pub cancellation_reason: Option<String>,
    /// The cancelling party, in CareQ's words, such as `patient`.
    pub cancelled_by: Option<String>,
    /// The time of the cancellation, which is the version of the change.
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
