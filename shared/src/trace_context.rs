//! The trace context between processes: `traceparent` of W3C Trace Context. `tracestate` and baggage are not carried,
//! because other parties control their content.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::ignore;

/// The name of the header, in HTTP and in AMQP.
pub const TRACEPARENT: &str = "traceparent";

/// The context of a recorded span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext(pub(crate) SpanContext);

impl TraceContext {
    /// The context of the current span, if it is recorded.
    pub fn current() -> Option<Self> {
        Context::map_current(Self::from_context)
    }

    fn from_context(context: &Context) -> Option<Self> {
        let span = context.span();
        let place = span.span_context();
        (place.is_valid() && place.is_sampled()).then(|| Self(place.clone()))
    }

    /// Parses a `traceparent`; `None` if it is malformed or its trace is not recorded.
    pub fn read(traceparent: &str) -> Option<Self> {
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
        Self::from_context(&TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier))
    }

    /// The `traceparent` of this context.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.0.trace_id(), self.0.span_id())
    }
}

/// Makes a span, which has not been entered, the child of a span of another process.
pub fn continued(span: &Span, parent: &TraceContext) {
    let parent = Context::new().with_remote_span_context(parent.0.clone());
    ignore(span.set_parent(parent), "spans are switched off, or the span was entered");
}

/// Links a span to a span of another trace.
pub fn linked(span: &Span, place: &TraceContext) {
    span.add_link(place.0.clone());
}

/// The context of a span, if it is recorded.
pub fn context_of(span: &Span) -> Option<TraceContext> {
    TraceContext::from_context(&span.context())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_survives_its_encoding() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let place = TraceContext::read(header).unwrap();
        assert_eq!(place.traceparent(), header);
        assert_eq!(place.0.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(place.0.span_id().to_string(), "b7ad6b7169203331");
    }

    #[test]
    fn malformed_and_unrecorded_contexts_are_ignored() {
        for header in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "Asha Rao",
        ] {
            assert_eq!(TraceContext::read(header), None, "{header}");
        }
    }
}
