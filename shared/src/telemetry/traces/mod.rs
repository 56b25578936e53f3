//! Traces over OTLP, if `telemetry.otlp_endpoint` is set. Without it, a span costs one check of a flag. A slow or
//! missing collector does not affect requests: spans wait in a bounded queue, and further spans are dropped.

mod spans;

use std::time::Duration;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider,
    ShouldSample,
};

use crate::config::TelemetryConfig;
use crate::ignore;
pub use crate::trace_context::{TRACEPARENT, TraceContext, context_of, continued, linked};
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
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts tracing; `None` without a collector. `process` is `standalone`, `ingress`, `worker` or `console`.
pub(super) fn start(
    config: &TelemetryConfig,
    process: &'static str,
) -> Result<Option<SdkTracerProvider>, ExporterBuildError> {
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
        .with_sampler(Sampling(Sampler::TraceIdRatioBased(config.sample_ratio)))
        .with_resource(resource.build())
        .build();
    Ok(Some(provider))
}

/// The sampling of traces. A trace is recorded as a whole: a child follows its parent, and a batch its messages.
/// Requests begin a trace, and a share of them is recorded. Other root spans, such as a sweep, are not recorded.
#[derive(Debug, Clone)]
struct Sampling(Sampler);

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent.filter(|context| context.span().span_context().is_valid());
        let follows = match parent {
            Some(context) => Some(context.span().span_context().is_sampled()),
            None => links.iter().any(|link| link.span_context.is_sampled()).then_some(true),
        };
        let decision = match follows {
            Some(true) => SamplingDecision::RecordAndSample,
            None if *kind == SpanKind::Server => {
                return self.0.should_sample(None, trace_id, name, kind, attributes, links);
            }
            Some(false) | None => SamplingDecision::Drop,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}
