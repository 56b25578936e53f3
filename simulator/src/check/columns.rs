//! Comparison of a row with the bodies that it must come from, column by column. Both sides are compared as text.

use careq_shared::records::Kind;
use careq_shared::seal::{AssociatedData, Seal, Sealed};
use chrono::{DateTime, Datelike as _};
use sea_orm::{EntityTrait, IdenStatic as _, Iterable as _, ModelTrait, Value};
use serde_json::Value as Json;

use super::expected::status_of;
use crate::world::bodies::india_time;

/// Columns of a row that differ from the newest details, and from the newest status, of which the kind of event is given too.
pub(super) fn differing<M: ModelTrait>(
    row: &M,
    details: &Json,
    status: (Kind, &Json),
    seal: &Seal,
) -> Vec<String> {
    let columns = <M::Entity as EntityTrait>::Column::iter;
    let id = columns().find(|column| column.as_str() == "id").and_then(|column| text(row.get(column)));
    let mut differing = Vec::new();
    for column in columns() {
        let (name, stored) = (column.as_str(), text(row.get(column)));
        // A record without a time stamp gets the time of its acceptance, which only the ingress knows.
        if is_own(name) || name == "updated_at" && details.get(name).is_none() {
            continue;
        }
        let stored = match (name, stored, &id) {
            ("aadhar_number", Some(sealed), Some(id)) => Some(opened(seal, id, sealed)),
            // JSON is stored as its text.
            ("prescription", Some(json), _) => {
                Some(serde_json::from_str::<Json>(&json).map_or(json, |json| json.to_string()))
            }
            (_, stored, _) => stored,
        };
        if stored != sent(name, details, status) {
            differing.push(name.to_owned());
        }
    }
    differing
}

/// Whether the installation fills the column by itself.
fn is_own(column: &str) -> bool {
    matches!(column, "id" | "clinic_id" | "synced_at" | "status_versions")
        || column.ends_with("_accepted_at")
        || column.ends_with("_event_id")
}

/// What a column must have.
fn sent(column: &str, details: &Json, (kind, status): (Kind, &Json)) -> Option<String> {
    let value = match column {
        "confirmation_number" => return confirmation_number(details),
        "status" => return status_of(kind, status).map(str::to_owned),
        // The notes of an appointment event belong to its details, those of a status event to the status.
        "status_notes" => status.get("notes").filter(|_| kind == Kind::Status),
        "status_updated_at" if kind == Kind::Cancel => status.get("cancelled_at"),
        "status_updated_at" => status.get("updated_at"),
        "cancellation_reason" | "cancelled_by" | "cancelled_at" => status.get(column),
        _ => details.get(column),
    };
    match value? {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A stored value in the form in which it is sent.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => text.map(|text| *text),
        Value::Bool(value) => value.map(|value| value.to_string()),
        Value::Int(number) => number.map(|number| number.to_string()),
        Value::BigInt(number) => number.map(|number| number.to_string()),
        Value::Decimal(amount) => amount.map(|amount| amount.to_string()),
        Value::Uuid(id) => id.map(|id| id.to_string()),
        Value::ChronoDate(date) => date.map(|date| date.to_string()),
        Value::ChronoDateTimeUtc(time) => time.map(|time| india_time(*time)),
        other => Some(format!("{other:?}")),
    }
}

fn opened(seal: &Seal, row: &str, sealed: String) -> String {
    let opened = seal.open(AssociatedData::aadhar_number(row), &Sealed::stored(sealed));
    let opened = opened.ok().and_then(|number| String::from_utf8(number).ok());
    opened.unwrap_or_else(|| "a value that cannot be opened".to_owned())
}

/// `APPT-`, the year of the booking in UTC, and the record number (API specification, section 4).
fn confirmation_number(details: &Json) -> Option<String> {
    let booked_at = DateTime::parse_from_rfc3339(details.get("book_datetime")?.as_str()?).ok()?;
    Some(format!("APPT-{}-{}", booked_at.to_utc().year(), details.get("careq_id")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_value_has_the_form_in_which_it_is_sent() {
        let noon = "2026-01-01T12:00:00+05:30";
        let time = DateTime::parse_from_rfc3339(noon).unwrap().to_utc();
        assert_eq!(text(5_i64.into()).as_deref(), Some("5"));
        assert_eq!(text(true.into()).as_deref(), Some("true"));
        assert_eq!(text("text".into()).as_deref(), Some("text"));
        assert_eq!(text(time.into()).as_deref(), Some(noon));
        assert_eq!(text(None::<String>.into()), None);
    }

    #[test]
    fn details_and_status_determine_different_columns() {
        let details = json!({ "careq_id": 5, "notes": "a", "book_datetime": "2025-12-31T23:00:00-02:00" });
        let status = json!({ "notes": "b", "updated_at": "t" });
        let column = |name, kind| sent(name, &details, (kind, &status));
        assert_eq!(column("confirmation_number", Kind::Status).as_deref(), Some("APPT-2026-5"));
        assert_eq!(column("notes", Kind::Status).as_deref(), Some("a"));
        assert_eq!(column("status_notes", Kind::Status).as_deref(), Some("b"));
        assert_eq!(column("status_notes", Kind::Appointment), None);
        assert_eq!(column("status_updated_at", Kind::Status).as_deref(), Some("t"));
        assert_eq!(column("status", Kind::Cancel).as_deref(), Some("cancelled"));
    }
}
