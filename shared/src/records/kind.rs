//! The kinds of event and of record.

use crate::words;

words! {
    /// The six kinds of event, in storage order: parents before children.
    Kind {
        /// A patient was created or changed.
        Patient = "patient",
        /// A doctor was created or changed.
        Doctor = "doctor",
        /// A service was created or changed.
        Service = "service",
        /// An appointment was booked or changed.
        Appointment = "appointment",
        /// The status of an appointment changed.
        Status = "status",
        /// An appointment was cancelled.
        Cancel = "cancel",
    }
}

impl Kind {
    /// The kind of record that an event of this kind changes.
    #[must_use]
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
    RecordKind {
        /// A row of `patients`.
        Patient = "patient",
        /// A row of `doctors`.
        Doctor = "doctor",
        /// A row of `services`.
        Service = "service",
        /// A row of `appointments`.
        Appointment = "appointment",
    }
}
