//! The last step before the collector: it withholds the values of fields that are not in `fields.rs`, and counts
//! exported spans.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter};

use crate::telemetry::fields;
use crate::telemetry::metrics::{Exported, metrics};

/// An exporter that withholds values.
#[derive(Debug)]
pub(super) struct WithholdingExporter<E> {
    exporter: E,
    is_away: AtomicBool,
}

impl<E: SpanExporter> WithholdingExporter<E> {
    pub(super) fn new(exporter: E) -> Self {
        Self { exporter, is_away: AtomicBool::new(false) }
    }

    /// Logs each change of the collector's state.
    fn log_change(&self, is_away: bool) {
        let was_away = self.is_away.swap(is_away, Ordering::Relaxed);
        if is_away && !was_away {
            tracing::warn!("the trace collector accepts no spans; they are dropped");
        } else if was_away && !is_away {
            tracing::info!("the trace collector accepts spans again");
        }
    }
}

impl<E: SpanExporter> SpanExporter for WithholdingExporter<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(withhold);
        let count = batch.len() as u64;
        let exported = self.exporter.export(batch).await;
        let result = if exported.is_ok() { "taken" } else { "lost" };
        self.log_change(exported.is_err());
        metrics().exported_spans.get_or_create(&Exported { result }).inc_by(count);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Withholds values. Span names are our own words; events and status messages are for the log.
fn withhold(span: &mut SpanData) {
    span.events = SpanEvents::default();
    if matches!(span.status, Status::Error { .. }) {
        span.status = Status::error("");
    }
    let links = span.links.links.iter_mut().flat_map(|link| &mut link.attributes);
    for KeyValue { key, value, .. } in span.attributes.iter_mut().chain(links) {
        if !fields::is_allowed(key.as_str()) {
            *value = fields::WITHHELD.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().append(&mut batch);
            Ok(())
        }
    }

    #[test]
    fn what_is_not_listed_never_leaves() {
        let kept = Kept::default();
        let provider =
            SdkTracerProvider::builder().with_simple_exporter(WithholdingExporter::new(kept.clone())).build();
        let mut span = provider.tracer("test").start("request");
        span.set_attribute(KeyValue::new("first_name", "Asha"));
        span.set_attribute(KeyValue::new("careq_id", 1));
        span.add_event("said", vec![KeyValue::new("phone_number", "9000000001")]);
        span.set_status(Status::error("the patient Asha has no phone number"));
        span.end();
        let spans = format!("{:?}", kept.0.lock().unwrap());
        assert!(spans.contains("careq_id") && spans.contains("[withheld]"), "{spans}");
        for secret in ["Asha", "9000000001"] {
            assert!(!spans.contains(secret), "{secret} is in {spans}");
        }
    }
}
