//! A stand-in for an OpenTelemetry collector. It accepts OTLP over HTTP in protobuf and keeps the requests.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;
use tokio::net::TcpListener;

use super::until;

/// A running collector.
pub(crate) struct Collector {
    /// For `telemetry.otlp_endpoint`.
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Bytes>>>,
}

/// A received span. Ids are hexadecimal.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    /// Span ids.
    pub(crate) links: Vec<String>,
    pub(crate) kind: i32,
    attributes: Vec<KeyValue>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::<Mutex<Vec<Bytes>>>::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, taken }
    }

    /// All spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().iter().flat_map(spans).collect()
    }

    /// Everything received so far, as text.
    pub(crate) fn texts(&self) -> String {
        self.taken.lock().unwrap().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// Waits for a span.
    pub(crate) async fn span(&self, what: &str, is_wanted: impl Fn(&Span) -> bool) -> Span {
        let found = || async { self.spans().into_iter().find(&is_wanted) };
        until(&format!("the collector has {what}"), found).await
    }
}

impl Span {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.attribute(key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        match self.attribute(key)? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }

    fn attribute(&self, key: &str) -> Option<&Value> {
        value(&self.attributes, key)
    }
}

async fn take(State(taken): State<Arc<Mutex<Vec<Bytes>>>>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
    taken.lock().unwrap().push(body);
}

fn spans(body: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body.clone()).expect("it is OTLP");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        let service = match value(&resource.attributes, "service.name") {
            Some(Value::StringValue(name)) => name.clone(),
            other => panic!("a resource without a name: {other:?}"),
        };
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                kind: span.kind,
                attributes: span.attributes,
            });
        }
    }
    spans
}

fn value<'list>(attributes: &'list [KeyValue], key: &str) -> Option<&'list Value> {
    let AnyValue { value } = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    value.as_ref()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
