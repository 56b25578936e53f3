//! Traces over OTLP, if `telemetry.otlp_endpoint` is set. Without it, a span costs one check of a flag. A slow or
//! missing collector does not affect requests: spans wait in a bounded queue, and further spans are dropped.

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
use spans::WithholdingExporter;

/// The target of every span. Only spans with this target are exported, and no log line has it.
pub const SPAN: &str = "careq_trace";

/// The number of spans that may wait for the collector.
const MAX_WAITING_SPANS: usize = 8_192;

/// The export interval.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The timeout of an export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout of the last export, at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The tracer provider of this process.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts tracing; `None` without a collector. `process` is `standalone`, `ingress`, `worker` or `console`.
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
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let waiting = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING_SPANS)
            .with_scheduled_delay(EXPORT_INTERVAL);
        let processor = BatchSpanProcessor::builder(WithholdingExporter::new(exporter))
            .with_batch_config(waiting.build())
            .build();
        // The SDK's default resource reads the environment.
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

    /// Exports the waiting spans, for at most [`FLUSH_TIMEOUT`]. It blocks.
    pub(super) fn end(&self) {
        ignore(self.provider.shutdown_with_timeout(FLUSH_TIMEOUT), "the exporter counts lost spans");
    }
}
