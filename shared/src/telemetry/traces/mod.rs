//! Traces over OTLP, for those who set `telemetry.otlp_endpoint`; without it, a span costs a look at a flag. A collector that is
//! slow, mute or away must never be felt: spans wait in a queue of fixed size, and what does not fit is dropped.

mod sampling;
mod spans;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Tracer};

use crate::config::TelemetryConfig;
use crate::ignore::ignore;
pub use crate::trace_context::{TRACEPARENT, TraceContext, context_of, continued, linked};
use sampling::Sampling;
use spans::Listed;

/// The target of every span: only these are exported, and no log line has it.
pub const SPAN: &str = "careq_trace";

/// Spans that may wait for the collector.
const WAITING: usize = 8_192;

/// How often spans are sent.
const EVERY: Duration = Duration::from_secs(1);

/// How long the collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long the end of the process waits for the last spans.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Where the spans of this process go, if anywhere.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Nothing where no collector is set. `process` is `standalone`, `ingress`, `worker` or `console`.
    pub(super) fn start(
        config: &TelemetryConfig,
        process: &'static str,
    ) -> Result<Option<Self>, ExporterBuildError> {
        if config.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        // The exporter's client needs a provider, even for plain HTTP.
        ignore(rustls::crypto::ring::default_provider().install_default(), "another part has installed it");
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", config.otlp_endpoint.trim_end_matches('/')))
            .with_timeout(ANSWER_WITHIN)
            .build()?;
        let waiting = BatchConfigBuilder::default().with_max_queue_size(WAITING).with_scheduled_delay(EVERY);
        let processor =
            BatchSpanProcessor::builder(Listed::new(exporter)).with_batch_config(waiting.build()).build();
        // Not the SDK's own, which reads the environment.
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.namespace", "careq-sync"),
            KeyValue::new("service.name", format!("careq-sync-{process}")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampling::new(config.sample_ratio))
            .with_resource(resource.build())
            .build();
        Ok(Some(Self { provider }))
    }

    pub(super) fn tracer(&self) -> Tracer {
        self.provider.tracer("careq-sync")
    }

    /// Sends what waits, for at most [`FLUSH_WITHIN`]. It blocks.
    pub(super) fn end(&self) {
        ignore(self.provider.shutdown_with_timeout(FLUSH_WITHIN), "the exporter counts lost spans");
    }
}
