//! The sampling of traces. A trace is recorded as a whole: every span follows the decision at its root.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

/// A child follows its parent, and a batch its messages. Requests begin a trace, and a share of them is recorded.
/// Other root spans, such as a sweep, are not recorded.
#[derive(Debug, Clone)]
pub(super) struct Sampling {
    share: Sampler,
}

impl Sampling {
    /// `ratio` is from 0 to 1.
    pub(super) fn new(ratio: f64) -> Self {
        Self { share: Sampler::TraceIdRatioBased(ratio) }
    }
}

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
                return self.share.should_sample(None, trace_id, name, kind, attributes, links);
            }
            Some(false) | None => SamplingDecision::Drop,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}
