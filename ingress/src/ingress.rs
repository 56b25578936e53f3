//! What every request shares: settings, clinics, limits, the broker, the desk where results arrive. It must never know a
//! route, nor how a request is answered.

use std::sync::Arc;
use std::time::Duration;

use careq_shared::broker::Broker;
use careq_shared::clock::AcceptanceClock;
use careq_shared::config::IngressConfig;
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::directory::{self, Directory};
use crate::limit::Limiter;
use crate::results::ResultDesk;

/// The base path of the API (specification, "Base URL").
pub const API: &str = "/api/v1/careq-sync";

/// What every request shares.
#[derive(Debug)]
pub struct Ingress {
    pub(crate) settings: IngressConfig,
    pub(crate) publish_timeout: Duration,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) database: DatabaseConnection,
    pub(crate) directory: watch::Receiver<Option<Arc<Directory>>>,
    pub(crate) limiter: Limiter,
    pub(crate) clock: AcceptanceClock,
    pub(crate) results: Arc<ResultDesk>,
}

impl Ingress {
    /// An ingress that begins to read the clinics, until `shutdown`, and to listen for results.
    #[must_use]
    pub fn start(
        settings: IngressConfig,
        publish_timeout: Duration,
        broker: Arc<dyn Broker>,
        database: DatabaseConnection,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let refresh_every = Duration::from_secs(settings.clinics_refresh_s);
        let directory = directory::keep_current(database.clone(), refresh_every, shutdown.clone());
        let results = ResultDesk::start(broker.mailbox());
        let limiter = Limiter::new(settings.rate_per_minute, settings.rate_burst);
        let clock = AcceptanceClock::default();
        Arc::new(Self { settings, publish_timeout, broker, database, directory, limiter, clock, results })
    }

    /// Returns when the clinics have been read once.
    pub async fn clinics_are_known(&self) {
        // The only error is that the process is ending.
        self.directory.clone().wait_for(Option::is_some).await.map(drop).unwrap_or_default();
    }

    /// Whether webhooks can be taken: the clinics are known and the broker is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.directory.borrow().is_some() && self.broker.is_connected()
    }
}
