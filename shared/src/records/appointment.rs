//! An appointment, its status and its cancellation, with their field tables (API specification, sections 4 to 6). The
//! parents of an appointment are checked by the worker, in its transaction.

use chrono::{DateTime, Utc};

use super::record::record;

/// The six statuses of the specification's section 5, and `in_progress` from its sequence diagram.
const STATUSES: [&str; 7] =
    ["booked", "confirmed", "cancelled", "completed", "no-show", "rescheduled", "in_progress"];

record! {
    /// An appointment as CareQ describes it. An absent optional field is `None` and replaces the stored value.
    Appointment {
        patient_careq_id: i64 = required_id(),
        doctor_careq_id: i64 = required_id(),
        service_careq_id: i64 = required_id(),
        book_datetime: DateTime<Utc> = required_instant(),
        start_datetime: DateTime<Utc> = required_instant(),
        end_datetime: DateTime<Utc> = required_instant(),
        status: String = required_one_of(&STATUSES),
        location: Option<String> = text(256),
        notes: Option<String> = long_text(),
        #[serde(with = "super::free_form")]
        prescription: Option<String> = text_or_json(),
        referred_by: Option<String> = text(256),
        referred_by_address: Option<String> = text(512),
        color: Option<String> = color(),
        /// Unique within a clinic.
        hash: Option<String> = text(512),
        created_at: Option<DateTime<Utc>> = instant(),
        updated_at: Option<DateTime<Utc>> = version(),
    }
}

record! {
    /// A status change as CareQ sends it.
    StatusChange {
        status: String = required_one_of(&STATUSES),
        /// Stored as `status_notes`, apart from the appointment's own notes.
        notes: Option<String> = long_text(),
        updated_at: Option<DateTime<Utc>> = version(),
    }
}

record! {
    /// A cancellation as CareQ sends it. A lost cancellation is a patient who comes in vain, so an optional field is
    /// refused only for its own format. The two texts have the limit of all long texts: without it, a few of them fill
    /// the memory of a worker.
    Cancellation {
        cancellation_reason: Option<String> = long_text(),
        /// The cancelling party, in CareQ's words, such as `patient`.
        cancelled_by: Option<String> = long_text(),
        cancelled_at: Option<DateTime<Utc>> = version(),
    }
}
