//! A worker without a queue: a test passes it the batches.

use std::sync::Arc;
use std::time::Duration;

use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::{Delivery, Queue};
use careq_shared::clock;
use careq_shared::config::{self, Process, RetentionConfig};
use careq_shared::event::{Event, Origin};
use careq_shared::event_key::EventKey;
use careq_shared::json::Document;
use careq_shared::message::{self, Content, Message};
use careq_shared::records::{self, Kind, Limits};
use careq_worker::{Context, ReadyQueue, Settings, Stopped};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{FreshDatabase, seal};

/// A worker without sweeps.
#[derive(Clone)]
pub(crate) struct TestWorker {
    context: Context,
    _folder: Arc<TempDir>,
}

impl TestWorker {
    pub(crate) async fn new(database: &FreshDatabase, batch: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            concurrency: 1,
            batch_size: batch,
            max_batch_bytes: 16 << 20,
            deadline: Duration::from_secs(20),
            parent_timeout: Duration::from_mins(15),
            sweep_interval: Duration::from_mins(15),
            retention: retention(),
            name: "test".to_owned(),
            process: Process::Worker,
        };
        let broker = Arc::new(Embedded::open(folder.path()).await.unwrap());
        let context = Context::new(
            database.connection.clone(),
            broker,
            Arc::new(seal()),
            Arc::new(settings),
            CancellationToken::new(),
        );
        Self { context, _folder: Arc::new(folder) }
    }

    /// Processes a batch and everything that it makes ready.
    pub(crate) async fn work(&self, queue: Queue, deliveries: &[Delivery]) -> Result<(), Stopped> {
        careq_worker::work(&self.context, queue, deliveries).await
    }

    /// Processes a batch; the events that it makes ready are queued.
    pub(crate) async fn batch(
        &self,
        queue: Queue,
        deliveries: Vec<Delivery>,
        ready: &mut ReadyQueue,
    ) -> Result<(), Stopped> {
        careq_worker::process(&self.context, queue, deliveries, ready).await
    }

    /// Processes the queued events.
    pub(crate) async fn process_ready(&self, ready: &mut ReadyQueue) -> Result<(), Stopped> {
        careq_worker::process_ready(&self.context, ready).await
    }
}

/// Default retention.
pub(crate) fn retention() -> RetentionConfig {
    config::load(None, []).unwrap().retention
}

/// An event as the ingress accepts it at a given time.
pub(crate) fn accept(kind: Kind, body: &Value, accepted_at: DateTime<Utc>) -> Event {
    accept_with_key(kind, body, accepted_at, None)
}

/// Like [`accept`], with an `Idempotency-Key`.
pub(crate) fn accept_with_key(
    kind: Kind,
    body: &Value,
    accepted_at: DateTime<Utc>,
    idempotency_key: Option<&str>,
) -> Event {
    let document = Document::parse(body.to_string().as_bytes()).unwrap();
    let identified = records::read(kind, &document.object(), Limits::NONE, accepted_at).unwrap();
    let origin = Origin {
        event_key: &EventKey::new([1; 32]),
        idempotency_key: idempotency_key.map(str::to_owned),
        canonical_body: document.text(),
        accepted_at,
    };
    Event::accept(identified, origin)
}

/// An event as the broker delivers it.
pub(crate) fn deliver(event: &Event) -> Delivery {
    let content = Content::Event(Box::new(event.clone()));
    let body = message::encode(&Message { reply_to: None, content }).unwrap();
    Delivery { body: body.into(), redeliveries: 0, trace: None }
}

pub(crate) fn delivery(kind: Kind, body: &Value) -> Delivery {
    deliver(&accept(kind, body, clock::now()))
}
