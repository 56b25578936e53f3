//! The kinds of event and of record.

use super::form::label;
use crate::words;

words! {
    /// The six kinds of event, in storage order: parents before children.
    #[expect(missing_docs, reason = "the other events create or change the record that they name")]
    Kind {
        Patient = "patient",
        Doctor = "doctor",
        Service = "service",
        Appointment = "appointment",
        /// The status of an appointment changed.
        Status = "status",
        /// An appointment was cancelled.
        Cancel = "cancel",
    }
}

impl Kind {
    /// The kind of record that an event of this kind changes.
    pub const fn record(self) -> RecordKind {
        match self {
            Self::Patient => RecordKind::Patient,
            Self::Doctor => RecordKind::Doctor,
            Self::Service => RecordKind::Service,
            Self::Appointment | Self::Status | Self::Cancel => RecordKind::Appointment,
        }
    }
}

words! {
    /// The four kinds of record that have a table.
    #[expect(missing_docs, reason = "each is named like its table")]
    RecordKind {
        Patient = "patient",
        Doctor = "doctor",
        Service = "service",
        Appointment = "appointment",
    }
}

impl RecordKind {
    /// The word at the beginning of a sentence.
    pub fn title(self) -> String {
        label(self.as_str())
    }
}
