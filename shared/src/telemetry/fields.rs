//! The allowlist of fields in log lines and spans. The value of another field is withheld; a system test finds fields
//! that are missing here.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::field::{MakeExt as _, RecordFields};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::trace_context::TraceContext;

/// The allowed fields. Of CareQ's values, only numbers of records are allowed.
const ALLOWED: [&[&str]; 8] = [
    // Our own words, and the shape of a payload.
    &["message", "cause", "class", "code", "details", "fault.message", "kind"],
    &["outcome", "payload", "reason", "status"],
    // Places in the program and in the installation.
    &["address", "broker", "client", "endpoint", "part", "place", "queue", "stack", "worker"],
    // Names and numbers of clinics, admins, events, records, letters and jobs.
    &["admin", "careq_id", "clinic_id", "event_id", "job", "letter"],
    // Counts and durations.
    &["audit_entries", "batches", "events", "jobs", "letters"],
    &["attempts", "concurrency", "count", "duration_ms"],
    // Requests and messages, as OpenTelemetry names them.
    &["http.request.method", "http.response.status_code", "http.route", "method"],
    &["messaging.batch.message_count", "messaging.destination.name", "messaging.operation.type"],
];

pub(super) const WITHHELD: &str = "[withheld]";

/// The fields of a text line, with its trace context.
#[derive(Debug)]
pub(super) struct Readable;

impl<'writer> FormatFields<'writer> for Readable {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        debug_fn(write).delimited(" ").format_fields(writer.by_ref(), fields)?;
        match TraceContext::current() {
            Some(TraceContext(span)) => {
                write!(writer, " trace_id={} span_id={}", span.trace_id(), span.span_id())
            }
            None => Ok(()),
        }
    }
}

/// Writes a field of a text line.
fn write(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if is_allowed(name) => write!(writer, "{name}={value:?}"),
        name => write!(writer, "{name}={WITHHELD}"),
    }
}

/// Whether the value of a field of this name may be written.
pub(super) fn is_allowed(name: &str) -> bool {
    ALLOWED.iter().any(|group| group.contains(&name))
}
