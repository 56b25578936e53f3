//! Backlogs like those that ingresses leave, and workers that drain them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use careq_shared::broker::{Broker as _, Queue};
use careq_shared::clock;
use careq_shared::event::{Event, Origin};
use careq_shared::json::Document;
use careq_shared::message::{self, Content, Message};
use careq_shared::records;
use careq_simulator::Webhook;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::installation::Installation;
use crate::load::CLINIC;
use crate::process::Process;
use crate::statistics::to_f64;

/// Messages that are published concurrently.
const MAX_IN_FLIGHT: usize = 256;

/// Time between two reads of a worker's metrics.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Timeout of a drain; a slow machine takes less.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(10);

/// Rate and cost of draining a backlog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    pub(super) per_second: f64,
    /// CPU time of the workers per event.
    pub(super) cpu_us: f64,
    /// Peak memory of the largest worker.
    pub(super) peak_mb: f64,
}

/// Publishes about `events` events in the proportions of bookings and returns their number.
pub(super) async fn publish(installation: &Installation, seed: u64, events: u64) -> Result<u64> {
    let webhooks = careq_simulator::webhooks(CLINIC, seed, events);
    let publishing = webhooks.map(|webhook| {
        let message = message(installation, &webhook);
        async move { anyhow::Ok(installation.broker.publish(Queue::Live, message?).await?) }
    });
    // `buffered` starts the publishes in order, so the queue has nearly the order of the bookings.
    let published = stream::iter(publishing).buffered(MAX_IN_FLIGHT);
    published.try_fold(0, async |count, ()| Ok(count + 1)).await
}

fn message(installation: &Installation, webhook: &Webhook) -> Result<Bytes> {
    let body = Document::parse(&webhook.body)?;
    let accepted_at = clock::now();
    let limits = installation.config.ingress.record_limits();
    let identified = records::read(webhook.kind, &body.object(), limits, accepted_at);
    let identified = identified.ok().context("a record of the simulator is valid")?;
    let origin = Origin {
        event_key: &installation.event_key,
        idempotency_key: None,
        canonical_body: body.text(),
        accepted_at,
    };
    let content = Content::Event(Box::new(Event::accept(identified, origin)));
    Ok(message::encode(&Message { reply_to: None, content })?.into())
}

/// Starts workers on a backlog, waits until all its events are settled, and stops the workers.
pub(super) async fn drain(installation: &Installation, workers: usize, events: u64) -> Result<Drained> {
    let mut running = Vec::with_capacity(workers);
    let began_at = Instant::now();
    for _ in 0..workers {
        running.push(installation.worker().await?);
    }
    settled(&running, events).await?;
    let took = began_at.elapsed();
    let mut drained = Drained { per_second: to_f64(events) / took.as_secs_f64(), cpu_us: 0.0, peak_mb: 0.0 };
    for worker in running {
        drained.cpu_us += worker.cpu_s()? * 1e6 / to_f64(events);
        drained.peak_mb = worker.peak_mb()?.max(drained.peak_mb);
        worker.stop().await?;
    }
    Ok(drained)
}

/// Waits until the workers have settled a number of events, each counted once.
pub(super) async fn settled(workers: &[Process], events: u64) -> Result<()> {
    let began_at = Instant::now();
    loop {
        let mut count = 0;
        for worker in workers {
            count += worker.settled().await?;
        }
        if count >= events {
            return Ok(());
        }
        ensure!(
            began_at.elapsed() < DRAIN_TIMEOUT,
            "{count} of {events} events are settled after {DRAIN_TIMEOUT:?}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
