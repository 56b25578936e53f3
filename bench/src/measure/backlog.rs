//! A backlog, as ingresses would have left it, and the workers that drain it.

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

use super::Bench;
use crate::installation::{CLINIC, Installation};
use crate::process::Process;
use crate::repeat::number;

/// Messages that are published at the same time.
const UNDER_WAY: usize = 256;

/// How often a worker is asked what it has done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longer than the slowest of machines would take.
const PATIENCE: Duration = Duration::from_mins(10);

/// How quickly a backlog went, and what it cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    pub(super) per_second: f64,
    /// CPU time of the workers, for each event.
    pub(super) cpu_us: f64,
    pub(super) peak_mb: f64,
}

/// Publishes about so many events in the proportions of bookings; how many.
pub(super) async fn publish(installation: &Installation, seed: u64, events: u64) -> Result<u64> {
    let webhooks = careq_simulator::webhooks(CLINIC, seed, events);
    let publishing = webhooks.map(|webhook| {
        let broker = installation.broker.clone();
        let message = message(installation, &webhook);
        async move { anyhow::Ok(broker.publish(Queue::Live, message?).await?) }
    });
    // Buffered, so that the order of the bookings is nearly that of the queue.
    let published = stream::iter(publishing).buffered(UNDER_WAY);
    published.try_fold(0, async |count, ()| Ok(count + 1)).await
}

fn message(installation: &Installation, webhook: &Webhook) -> Result<Bytes> {
    let body = Document::parse(&webhook.body)?;
    let accepted_at = clock::now();
    let limits = installation.config.ingress.record_limits();
    let identified = records::read(webhook.kind, &body.object(), limits, accepted_at);
    let identified = identified.ok().context("what the simulator sends is valid")?;
    let origin = Origin {
        event_key: &installation.event_key,
        idempotency_key: None,
        canonical_body: body.text(),
        accepted_at,
    };
    let content = Content::Event(Box::new(Event::accept(identified, origin)));
    Ok(message::encode(&Message { reply_to: None, content })?.into())
}

/// Starts a worker.
pub(super) async fn worker(bench: &Bench, installation: &Installation) -> Result<Process> {
    let settings = installation.settings(&[]);
    Process::start(&bench.programs.careq_sync, &["worker"], &settings, "the worker takes events").await
}

/// Starts so many workers on a backlog of so many events, and waits until it is gone.
pub(super) async fn drain(
    bench: &Bench,
    installation: &Installation,
    workers: usize,
    events: u64,
) -> Result<Drained> {
    let mut running = Vec::with_capacity(workers);
    let began_at = Instant::now();
    for _ in 0..workers {
        running.push(worker(bench, installation).await?);
    }
    settled(&running, events).await?;
    let took = began_at.elapsed();
    let mut drained = Drained { per_second: number(events) / took.as_secs_f64(), cpu_us: 0.0, peak_mb: 0.0 };
    for worker in running {
        drained.cpu_us += worker.cpu_s()? * 1e6 / number(events);
        drained.peak_mb = worker.peak_mb()?.max(drained.peak_mb);
        worker.stop().await?;
    }
    Ok(drained)
}

/// Waits until these workers have settled so many events, each counted once.
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
        ensure!(began_at.elapsed() < PATIENCE, "{count} of {events} events are settled, and no more");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
