//! Comparison of a row with the body that it must come from, column by column.

use careq_shared::entities::{StoredPrice, appointment, doctor, patient, service};
use careq_shared::records::Kind;
use careq_shared::seal::{AssociatedData, Seal};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use serde_json::Value;

use super::expected::status_of;
use crate::world::scenario::Body;

/// `APPT-`, the year of the booking in UTC, and the record number (API specification, section 4).
fn confirmation_number(body: &Body) -> Option<String> {
    let booked_at = body.get("book_datetime").and_then(Value::as_str)?;
    let booked_at = DateTime::parse_from_rfc3339(booked_at).ok()?.to_utc();
    let careq_id = body.get("careq_id").and_then(Value::as_i64)?;
    Some(format!("APPT-{}-{careq_id}", booked_at.year()))
}

/// A row that can be compared.
pub(super) trait Row {
    /// Columns that differ from the newest details.
    fn differences(&self, body: &Body, seal: &Seal) -> Vec<&'static str>;

    /// Columns that differ from the newest status.
    fn status_differences(&self, _kind: Kind, _body: &Body) -> Vec<&'static str> {
        Vec::new()
    }
}

/// A column's value that can be compared with the value in a body.
trait Column {
    fn is(&self, value: &Value) -> bool;
}

impl Column for String {
    fn is(&self, value: &Value) -> bool {
        value.as_str() == Some(self)
    }
}

impl Column for i64 {
    fn is(&self, value: &Value) -> bool {
        value.as_i64() == Some(*self)
    }
}

impl Column for i32 {
    fn is(&self, value: &Value) -> bool {
        value.as_i64() == Some(i64::from(*self))
    }
}

impl Column for bool {
    fn is(&self, value: &Value) -> bool {
        value.as_bool() == Some(*self)
    }
}

impl Column for DateTime<Utc> {
    fn is(&self, value: &Value) -> bool {
        let sent = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        sent.is_some_and(|sent| sent == *self)
    }
}

impl Column for NaiveDate {
    fn is(&self, value: &Value) -> bool {
        value.as_str() == Some(&self.to_string())
    }
}

impl Column for StoredPrice {
    fn is(&self, value: &Value) -> bool {
        let stored = match self {
            Self::Numeric(amount) => amount.to_string(),
            Self::Text(text) => text.clone(),
        };
        matches!(value, Value::Number(sent) if sent.as_str() == stored)
    }
}

impl<C: Column> Column for Option<C> {
    fn is(&self, value: &Value) -> bool {
        match self {
            Some(column) => column.is(value),
            None => value.is_null(),
        }
    }
}

macro_rules! differing {
    ($row:ident, $body:ident, [$($column:ident),* $(,)?]) => {{
        let mut columns = Vec::new();
        $( if !$row.$column.is($body.get(stringify!($column)).unwrap_or(&Value::Null)) {
            columns.push(stringify!($column));
        } )*
        columns
    }};
}

impl Row for patient::Model {
    fn differences(&self, body: &Body, seal: &Seal) -> Vec<&'static str> {
        let mut columns = differing!(
            self,
            body,
            [
                first_name,
                last_name,
                email,
                phone_number,
                date_of_birth,
                gender,
                address,
                city,
                state,
                zip_code,
                spouse_name,
                father_name,
                custom_field_1,
                notes,
                timezone,
                language,
                created_at
            ]
        );
        if body.contains_key("updated_at") {
            columns.extend(differing!(self, body, [updated_at]));
        }
        let row = self.id.to_string();
        let opened =
            self.aadhar_number.as_ref().map(|sealed| seal.open(AssociatedData::aadhar_number(&row), sealed));
        let stored = opened.map(|number| number.ok().and_then(|number| String::from_utf8(number).ok()));
        let sent = body.get("aadhar_number").and_then(Value::as_str).map(|number| Some(number.to_owned()));
        if stored != sent {
            columns.push("aadhar_number");
        }
        columns
    }
}

impl Row for doctor::Model {
    fn differences(&self, body: &Body, _: &Seal) -> Vec<&'static str> {
        let mut columns = differing!(
            self,
            body,
            [
                first_name,
                last_name,
                email,
                phone_number,
                mobile_number,
                address,
                city,
                specialization,
                is_private,
                notes,
                created_at
            ]
        );
        if body.contains_key("updated_at") {
            columns.extend(differing!(self, body, [updated_at]));
        }
        columns
    }
}

impl Row for service::Model {
    fn differences(&self, body: &Body, _: &Seal) -> Vec<&'static str> {
        let mut columns = differing!(
            self,
            body,
            [name, duration, price, currency, description, location, color, category, is_private, created_at]
        );
        if body.contains_key("updated_at") {
            columns.extend(differing!(self, body, [updated_at]));
        }
        columns
    }
}

impl Row for appointment::Model {
    fn differences(&self, body: &Body, _: &Seal) -> Vec<&'static str> {
        let mut columns = differing!(
            self,
            body,
            [
                patient_careq_id,
                doctor_careq_id,
                service_careq_id,
                book_datetime,
                start_datetime,
                end_datetime,
                location,
                notes,
                referred_by,
                referred_by_address,
                color,
                hash,
                created_at,
                updated_at
            ]
        );
        if Some(&self.confirmation_number) != confirmation_number(body).as_ref() {
            columns.push("confirmation_number");
        }
        // JSON is stored as its text.
        let stored = self.prescription.as_deref().map(serde_json::from_str::<Value>);
        let sent = body.get("prescription").filter(|value| !value.is_null());
        if stored.and_then(Result::ok).as_ref() != sent {
            columns.push("prescription");
        }
        columns
    }

    fn status_differences(&self, kind: Kind, body: &Body) -> Vec<&'static str> {
        let mut columns = Vec::new();
        if status_of(kind, body) != Some(self.status.as_str()) {
            columns.push("status");
        }
        // The notes of an appointment event belong to its details, those of a status event to the status.
        let notes = body.get("notes").filter(|_| kind == Kind::Status).unwrap_or(&Value::Null);
        if !self.status_notes.is(notes) {
            columns.push("status_notes");
        }
        columns.extend(differing!(self, body, [cancellation_reason, cancelled_by, cancelled_at]));
        let stamp = if kind == Kind::Cancel { "cancelled_at" } else { "updated_at" };
        if !self.status_updated_at.is(body.get(stamp).unwrap_or(&Value::Null)) {
            columns.push("status_updated_at");
        }
        columns
    }
}
