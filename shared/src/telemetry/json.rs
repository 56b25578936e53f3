//! A log line as JSON: `timestamp`, `level`, `target`, `fields` with `message`, and `trace_id` and `span_id` in a
//! recorded trace. Fields pass the allowlist in `fields.rs`.

use std::fmt;

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_with::skip_serializing_none;
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

#[skip_serializing_none]
#[derive(Serialize)]
struct Line<'event> {
    timestamp: String,
    level: &'static str,
    target: &'event str,
    fields: Fields,
    trace_id: Option<String>,
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
        let span = TraceContext::current();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line {
            timestamp: clock::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            fields,
            trace_id: span.as_ref().map(|span| span.0.trace_id().to_string()),
            span_id: span.as_ref().map(|span| span.0.span_id().to_string()),
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// The fields of an event, in its order.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        self.0.push((name, if is_allowed(name) { value.into() } else { WITHHELD.into() }));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}
