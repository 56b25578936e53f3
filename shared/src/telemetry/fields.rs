//! The fields that a log line may have. One that is not listed here must never be written, whatever it holds: its value is
//! withheld, and a test of the whole system finds the gap.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

/// Our own words, names of parts, routes, clinics and admins, numbers, and shapes of payloads. Never a value that CareQ sent, but its
/// numbers of records.
const MAY_BE_WRITTEN: [&str; 28] = [
    "message",
    "address",
    "admin",
    "attempts",
    "cause",
    "careq_id",
    "class",
    "client",
    "clinic_id",
    "code",
    "count",
    "details",
    "duration_ms",
    "endpoint",
    "event_id",
    "fault.message",
    "job",
    "kind",
    "lanes",
    "method",
    "part",
    "payload",
    "place",
    "queue",
    "reason",
    "stack",
    "status",
    "worker",
];

const WITHHELD: &str = "[withheld]";

/// Writes a field of a readable line.
pub(super) fn write(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if may_be_written(field) => write!(writer, "{name}={value:?}"),
        name => write!(writer, "{name}={WITHHELD}"),
    }
}

/// The value of a field, if it may be written.
pub(super) fn checked<T>(field: &Field, value: T) -> serde_json::Value
where
    serde_json::Value: From<T>,
{
    if may_be_written(field) { value.into() } else { WITHHELD.into() }
}

fn may_be_written(field: &Field) -> bool {
    MAY_BE_WRITTEN.contains(&field.name())
}
