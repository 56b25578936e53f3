//! A consumer's loop: one batch at a time, from the broker into the database. [`process`] names the stages, a file each. A bad message
//! never fails its batch.

mod decode;
mod register;
mod report;

use std::time::{Duration, Instant};

use careq_shared::broker::{Consumer, Delivery, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::ignore;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::context::{Context, Stopped};
use crate::dead_letters::keep;
use crate::observe;
use crate::transaction::{self, order};
use crate::waiting::unpark::{self, MAX_WITH_A_BATCH, ReadyQueue};

/// How long a stopped consumer still processes ready events.
const LAST_READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Consumes a queue until the process stops.
pub(crate) async fn run(context: Context, queue: Queue, mut consumer: Box<dyn Consumer>) {
    // Ready events go with the next batch, a few at a time, or by themselves if no message is available at once.
    let mut ready = ReadyQueue::default();
    loop {
        let deliveries = tokio::select! {
            biased;
            () = context.shutdown.cancelled() => break,
            deliveries = consumer.next() => deliveries,
            () = std::future::ready(()), if !ready.is_empty() => Vec::new(),
        };
        let processed = if deliveries.is_empty() {
            unpark::step(&context, &mut ready).await
        } else {
            take(&context, queue, deliveries, &mut ready, &mut consumer).await
        };
        if processed == Err(Stopped) {
            break;
        }
    }
    consumer.close().await;
    let last = timeout(LAST_READY_TIMEOUT, unpark::all(&context, &mut ready)).await;
    ignore(last, "the sweep of another worker, or of the next process, finds the rest");
}

/// Processes a batch and acknowledges it.
async fn take(
    context: &Context,
    queue: Queue,
    deliveries: Vec<Delivery>,
    ready: &mut ReadyQueue,
    consumer: &mut Box<dyn Consumer>,
) -> Result<(), Stopped> {
    let (began_at, span, messages) = (Instant::now(), observe::batch(queue, &deliveries), deliveries.len());
    process(context, queue, deliveries, ready).instrument(span).await?;
    // Every message has its outcome in the database. This is the only place that acknowledges.
    if let Err(reason) = consumer.ack().await {
        tracing::warn!(%reason, "copies are recognised by the ledger");
    }
    crash_point::reached(CrashPoint::Acknowledged);
    observe::worked(queue, messages, began_at);
    Ok(())
}

/// Processes one batch and everything that it makes ready.
///
/// # Errors
/// The process was stopped while the database was unavailable. Nothing is lost: the batch is redelivered.
pub async fn work(context: &Context, queue: Queue, deliveries: &[Delivery]) -> Result<(), Stopped> {
    let mut ready = ReadyQueue::default();
    process(context, queue, deliveries.to_vec(), &mut ready).await?;
    unpark::all(context, &mut ready).await
}

/// The stages of a batch. A few events that earlier batches made ready go with it, and those that it makes ready are queued.
///
/// # Errors
/// As of [`work`].
pub async fn process(
    context: &Context,
    queue: Queue,
    deliveries: Vec<Delivery>,
    ready: &mut ReadyQueue,
) -> Result<(), Stopped> {
    let taken = decode::each(queue, deliveries);
    let _in_flight = observe::in_flight(&taken.requests);
    keep::undecodable(context, &taken.undecodable).await?;
    let requests = register::batches(context, taken.requests).await?;
    let unparked = ready.next(context, MAX_WITH_A_BATCH).await?;
    let max = context.settings.batch_size + unparked.len();
    let items = order::parents_first(&requests, unparked);
    let committed = transaction::commit_all(context, &items, max).await?;
    crash_point::reached(CrashPoint::BatchCommitted);
    report::to_each_ingress(context, &requests, &items, committed.results);
    crash_point::reached(CrashPoint::Reported);
    ready.push(committed.unpark_triggers);
    Ok(())
}
