//! A log line as JSON: `timestamp`, `level`, `target`, `fields` with `message`, and `trace_id` and `span_id` in a
//! recorded trace. Fields pass the allowlist in `fields.rs`.

use std::fmt;

use chrono::SecondsFormat;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields::{WITHHELD, is_allowed};
use crate::clock;
use crate::trace_context::TraceContext;

/// The format of one JSON object per event.
#[derive(Debug)]
pub(super) struct Lines;

#[derive(Serialize)]
struct Line<'event> {
    timestamp: String,
    level: &'static str,
    target: &'event str,
    fields: Fields<'event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let place = TraceContext::current();
        let line = Line {
            timestamp: clock::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            fields: Fields(event),
            trace_id: place.as_ref().map(TraceContext::trace_id),
            span_id: place.as_ref().map(TraceContext::span_id),
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// The fields of an event, in its order.
struct Fields<'event>(&'event Event<'event>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members { map: serializer.serialize_map(None)?, written: Ok(()) };
        self.0.record(&mut members);
        members.written?;
        members.map.end()
    }
}

struct Members<M: SerializeMap> {
    map: M,
    /// The first error.
    written: Result<(), M::Error>,
}

impl<M: SerializeMap> Members<M> {
    fn write(&mut self, field: &Field, value: impl Serialize) {
        if self.written.is_ok() {
            let name = field.name();
            self.written = if is_allowed(name) {
                self.map.serialize_entry(name, &value)
            } else {
                self.map.serialize_entry(name, WITHHELD)
            };
        }
    }
}

impl<M: SerializeMap> Visit for Members<M> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, value);
    }
}
