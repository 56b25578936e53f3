//! Backlogs like those that ingresses leave, and a worker that drains one.

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
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::installation::Installation;
use crate::process::Process;
use crate::statistics::to_f64;

/// Tables that workers fill. Those that refer to them are emptied with them.
pub(super) const TABLES: &str = "events, parked_events, patients, doctors, services";

/// Messages that are published concurrently.
const MAX_IN_FLIGHT: usize = 256;

/// Time between two reads of a worker's metrics.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Timeout of a drain; a slow machine takes less.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(10);

/// Rate and cost of draining a backlog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    pub(super) per_second: f64,
    /// CPU time of the worker per event.
    pub(super) cpu_us: f64,
    /// Peak memory of the worker.
    pub(super) peak_mb: f64,
}

/// Publishes about `events` events in the proportions of bookings, as many of each clinic, and returns their number.
pub(super) async fn publish(
    installation: &Installation,
    clinics: &[impl AsRef<str>],
    seed: u64,
    events: u64,
) -> Result<u64> {
    let clinic_events = events / clinics.len().max(1) as u64;
    let in_flight = (MAX_IN_FLIGHT / clinics.len().max(1)).max(1);
    let publishing = clinics.iter().map(|clinic| async move {
        let webhooks = careq_simulator::webhooks(clinic.as_ref(), seed, clinic_events);
        let publishing = webhooks.map(|webhook| publish_one(installation, clinic.as_ref(), webhook));
        // `buffered` starts the publishes in order, so the queue has nearly the order of the bookings.
        let published = stream::iter(publishing).buffered(in_flight);
        published.try_fold(0_u64, async |count, ()| anyhow::Ok(count + 1)).await
    });
    Ok(try_join_all(publishing).await?.into_iter().sum())
}

async fn publish_one(installation: &Installation, clinic_id: &str, webhook: Webhook) -> Result<()> {
    let message = message(installation, &webhook)?;
    Ok(installation.broker.publish(Queue::Live, clinic_id, message).await?)
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

/// Starts a worker on a backlog, waits until all its events are settled, and stops the worker.
pub(super) async fn drain(
    installation: &Installation,
    events: u64,
    settings: &[(&str, &str)],
) -> Result<Drained> {
    let began_at = Instant::now();
    let worker = installation.worker(settings).await?;
    settled(std::slice::from_ref(&worker), events).await?;
    let per_second = to_f64(events) / began_at.elapsed().as_secs_f64();
    let (cpu_us, peak_mb) = (worker.cpu_s()? * 1e6 / to_f64(events), worker.peak_mb()?);
    worker.stop().await?;
    Ok(Drained { per_second, cpu_us, peak_mb })
}

/// Waits until the workers have settled a number of events, each counted once.
pub(super) async fn settled(workers: &[Process], events: u64) -> Result<()> {
    let began_at = Instant::now();
    loop {
        let count = count_settled(workers).await?;
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

/// Number of events that the workers have settled so far.
pub(super) async fn count_settled(workers: &[Process]) -> Result<u64> {
    let mut count = 0;
    for worker in workers {
        count += worker.settled().await?;
    }
    Ok(count)
}
