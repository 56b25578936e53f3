//! The records that CareQ sends. Each of the six kinds has its type and its field rules as one table (API
//! specification, "API Endpoints Required"). [`read`] is the only way to make a record from a request, so a record in
//! memory has passed every rule.

mod appointment;
mod doctor;
mod field;
mod form;
mod free_form;
mod kind;
mod patient;
mod price;
mod record;
mod service;

pub use appointment::{Appointment, Cancellation, StatusChange};
pub use doctor::Doctor;
pub use field::{Field, Rule};
pub use form::{FieldErrors, Limits};
pub use kind::{Kind, RecordKind};
pub use patient::Patient;
pub use price::Price;
pub use service::Service;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::json::Object;
use form::Form;

/// A record that satisfies the specification's field table of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the types are documented")]
pub enum Record {
    Patient(Patient),
    Doctor(Doctor),
    Service(Service),
    Appointment(Appointment),
    Status(StatusChange),
    Cancel(Cancellation),
}

impl Record {
    /// The kind of the record.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Patient(_) => Kind::Patient,
            Self::Doctor(_) => Kind::Doctor,
            Self::Service(_) => Kind::Service,
            Self::Appointment(_) => Kind::Appointment,
            Self::Status(_) => Kind::Status,
            Self::Cancel(_) => Kind::Cancel,
        }
    }

    /// CareQ's own timestamp of this version: `updated_at`, or `cancelled_at` of a cancellation.
    pub fn stamp(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Patient(patient) => patient.updated_at,
            Self::Doctor(doctor) => doctor.updated_at,
            Self::Service(service) => service.updated_at,
            Self::Appointment(appointment) => appointment.updated_at,
            Self::Status(change) => change.updated_at,
            Self::Cancel(cancellation) => cancellation.cancelled_at,
        }
    }
}

/// A record with the two fields that every kind has.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// The clinic that the body names.
    pub clinic_id: String,
    /// CareQ's identifier of the record (of the appointment, for a status or a cancellation).
    pub careq_id: i64,
    /// The record.
    pub record: Record,
}

/// Reads a JSON object as a record of this kind. All bad fields are reported at once.
///
/// # Errors
/// The messages for every field that breaks a rule, by field name.
pub fn read(
    kind: Kind,
    fields: &Object<'_>,
    limits: Limits,
    accepted_at: DateTime<Utc>,
) -> Result<Identified, FieldErrors> {
    let mut form = Form::new(fields, limits, accepted_at);
    let identified = identified(kind, &mut form);
    form.finish(identified)
}

/// The field rules of a kind, as [`read`] applies them.
pub fn rules(kind: Kind) -> Vec<Field> {
    Form::rules(|form| drop(identified(kind, form)))
}

fn identified(kind: Kind, form: &mut Form<'_>) -> Identified {
    let careq_id = form.required_id("careq_id");
    let clinic_id = form.required_text("clinic_id", 100);
    let record = match kind {
        Kind::Patient => Record::Patient(Patient::read(form)),
        Kind::Doctor => Record::Doctor(Doctor::read(form)),
        Kind::Service => Record::Service(Service::read(form)),
        Kind::Appointment => {
            let appointment = Appointment::read(form);
            let (start, end) = (appointment.start_datetime, appointment.end_datetime);
            form.check_order(("start_datetime", start), ("end_datetime", end));
            Record::Appointment(appointment)
        }
        Kind::Status => Record::Status(StatusChange::read(form)),
        Kind::Cancel => Record::Cancel(Cancellation::read(form)),
    };
    Identified { clinic_id, careq_id, record }
}

#[cfg(test)]
mod tests;
