//! One lane: a batch at a time, from the broker into the database. [`Lane::batch`] is the way of an event; every stage is
//! a file named after it. A stage must never fail the batch because one message is bad.

use std::sync::Arc;
use std::time::{Duration, Instant};

use careq_shared::broker::{Broker, Consumer, Delivery, Queue};
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::novelty::Copies;
use crate::order::Item;
use crate::patience::Patience;
use crate::transaction::Settled;
use crate::wake::{MAX_BESIDE_A_BATCH, Waking};
use crate::worker::Settings;
use crate::{admit, bounds, dead_letters, decode, observe, order, report, transaction, wake};

/// How long a lane that was told to stop still wakes.
const LAST_WAKES: Duration = Duration::from_secs(5);

/// What a lane works with.
#[derive(Debug, Clone)]
pub struct Lane {
    pub(crate) database: DatabaseConnection,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) patience: Patience,
    pub(crate) copies: Copies,
    pub(crate) shutdown: CancellationToken,
}

/// The process was told to stop while the database was away; what was in hand goes back to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped while the database could not be used")]
pub struct Stopped;

impl Lane {
    /// A lane on this database and broker. As long as no sweep says otherwise, nobody's patience ends.
    #[must_use]
    pub fn new(
        database: DatabaseConnection,
        broker: Arc<dyn Broker>,
        seal: Arc<Seal>,
        settings: Arc<Settings>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            database,
            broker,
            seal,
            settings,
            patience: Patience::default(),
            copies: Copies::default(),
            shutdown,
        }
    }

    /// Takes, works and settles, until told to stop.
    pub(crate) async fn run(self, queue: Queue, mut consumer: Box<dyn Consumer>) {
        // Whom the batches have woken: a few go with each next one, or as many as in a batch by themselves where none is there.
        let mut waking = Waking::default();
        loop {
            let deliveries = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                deliveries = consumer.next() => deliveries,
                () = std::future::ready(()), if !waking.is_empty() => Vec::new(),
            };
            let worked = if deliveries.is_empty() {
                wake::step(&self, &mut waking).await
            } else {
                self.take(queue, deliveries, &mut waking, &mut consumer).await
            };
            if worked == Err(Stopped) {
                break;
            }
        }
        consumer.close().await;
        // Very many are left to the sweep of another worker, or of the next; so are all, should the database be away.
        timeout(LAST_WAKES, self.wake(&mut waking)).await.unwrap_or(Ok(())).unwrap_or(());
    }

    /// Works on a batch, and settles it with the broker.
    async fn take(
        &self,
        queue: Queue,
        deliveries: Vec<Delivery>,
        waking: &mut Waking,
        consumer: &mut Box<dyn Consumer>,
    ) -> Result<(), Stopped> {
        let (began_at, batch, messages) =
            (Instant::now(), observe::batch(queue, &deliveries), deliveries.len());
        self.batch(queue, deliveries, waking).instrument(batch).await?;
        // Every message has its outcome in the database: all of them are settled together, here and nowhere else.
        if let Err(reason) = consumer.ack().await {
            tracing::warn!(%reason, "copies are recognised by the ledger");
        }
        crash_point::reached(CrashPoint::Acknowledged);
        observe::worked(queue, messages, began_at);
        Ok(())
    }

    /// Waits, unless the process is told to stop.
    pub(crate) async fn pause(&self, delay: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Stopped),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    /// A batch alone, and whatever it wakes.
    ///
    /// # Errors
    /// The process was told to stop while the database was away. Nothing has been lost: the batch comes again.
    pub async fn work(&self, queue: Queue, deliveries: &[Delivery]) -> Result<(), Stopped> {
        let mut waking = Waking::default();
        self.batch(queue, deliveries.to_vec(), &mut waking).await?;
        self.wake(&mut waking).await
    }

    /// Settles all that was woken, by itself.
    ///
    /// # Errors
    /// As of [`Lane::work`]; the sweep wakes what is left.
    pub async fn wake(&self, waking: &mut Waking) -> Result<(), Stopped> {
        while !waking.is_empty() {
            wake::step(self, waking).await?;
        }
        Ok(())
    }

    /// The way of a batch, and of a few of those that earlier ones woke. Notes whom it may have woken itself.
    ///
    /// # Errors
    /// As of [`Lane::work`].
    pub async fn batch(
        &self,
        queue: Queue,
        deliveries: Vec<Delivery>,
        waking: &mut Waking,
    ) -> Result<(), Stopped> {
        let taken = decode::each(queue, deliveries);
        let _in_hand = observe::in_hand(&taken.requests);
        dead_letters::keep_undecodable(self, &taken.undecodable).await?;
        let requests = admit::batches(self, taken.requests).await?;
        let woken = waking.next(self, MAX_BESIDE_A_BATCH).await?;
        let most = self.settings.batch_size + woken.len();
        let items = order::parents_first(&requests, woken);
        let settled = self.settle(&items, most).await?;
        crash_point::reached(CrashPoint::Woken);
        report::to_each_ingress(self, &requests, &items, settled.results);
        crash_point::reached(CrashPoint::Reported);
        waking.after(settled.wakes);
        Ok(())
    }

    /// Gives every item its outcome, in transactions of at most so many, and of so many bytes.
    pub(crate) async fn settle(&self, items: &[Item], most: usize) -> Result<Settled, Stopped> {
        let mut settled = Settled::default();
        for part in bounds::parts(items, most, bounds::MAX_TRANSACTION) {
            settled.extend(transaction::bisecting(self, part).await?);
        }
        Ok(settled)
    }
}
