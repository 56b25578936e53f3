//! An appointment and its field table (API specification, section 4). Its parents are checked by the worker, in its
//! transaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;

/// The six statuses of the specification's section 5, and `in_progress` from its sequence diagram.
pub(super) const STATUSES: [&str; 7] =
    ["booked", "confirmed", "cancelled", "completed", "no-show", "rescheduled", "in_progress"];

/// An appointment as CareQ describes it. An absent optional field is `None` and replaces the stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the specification's own, under their own names")]
pub struct Appointment {
    pub patient_careq_id: i64,
    pub doctor_careq_id: i64,
    pub service_careq_id: i64,
    pub book_datetime: DateTime<Utc>,
    pub start_datetime: DateTime<Utc>,
    pub end_datetime: DateTime<Utc>,
    pub status: String,
    pub location: Option<String>,
    pub notes: Option<String>,
    #[serde(default, with = "super::free_form")]
    pub prescription: Option<String>,
    pub referred_by: Option<String>,
    pub referred_by_address: Option<String>,
    pub color: Option<String>,
    /// Unique within a clinic.
    pub hash: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Appointment {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        let appointment = Self {
            patient_careq_id: form.required_id("patient_careq_id"),
            doctor_careq_id: form.required_id("doctor_careq_id"),
            service_careq_id: form.required_id("service_careq_id"),
            book_datetime: form.required_instant("book_datetime"),
            start_datetime: form.required_instant("start_datetime"),
            end_datetime: form.required_instant("end_datetime"),
            status: form.required_one_of("status", &STATUSES),
            location: form.text("location", 256),
            notes: form.long_text("notes"),
            prescription: form.text_or_json("prescription"),
            referred_by: form.text("referred_by", 256),
            referred_by_address: form.text("referred_by_address", 512),
            color: form.color("color"),
            hash: form.text("hash", 512),
            created_at: form.instant("created_at"),
            updated_at: form.version("updated_at"),
        };
        form.check_order(
            "start_datetime",
            appointment.start_datetime,
            "end_datetime",
            appointment.end_datetime,
        );
        appointment
    }
}
