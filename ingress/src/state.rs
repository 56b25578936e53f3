//! What every request shares: settings, clinics, limits, the broker, the desk where results arrive. It must never know a
//! route, nor how a request is answered.

use std::sync::Arc;
use std::time::Duration;

use careq_http::{Failures, Limits};
use careq_shared::broker::Broker;
use careq_shared::clinics::Clinic;
use careq_shared::clock::AcceptanceClock;
use careq_shared::config::IngressConfig;
use careq_shared::seal::Seal;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::DatabaseConnection;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::admission::{Admission, Turn};
use crate::by_clinic::{ByClinic, Counted};
use crate::directory::{self, Directory, Source};
use crate::limit::Limiter;
use crate::overload::Overload;
use crate::prefer::Preference;
use crate::problem::Problem;
use crate::results::ResultDesk;
use crate::room::Room;
use crate::trace;

/// The base path of the API (specification, "Base URL").
pub const API: &str = "/api/v1/careq-sync";

/// More requests of one clinic in hand than these are a burst. With answers of 10 ms, they come at 3,200 a second.
const MAX_WITHOUT_HURRY: usize = 32;

/// What every request shares.
#[derive(Debug)]
pub struct Ingress {
    pub(crate) settings: IngressConfig,
    pub(crate) publish_timeout: Duration,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) database: DatabaseConnection,
    pub(crate) directory: watch::Receiver<Option<Arc<Directory>>>,
    pub(crate) failures: Failures,
    pub(crate) limiter: Limiter,
    /// One for each request in hand.
    pub(crate) places: Semaphore,
    /// For the bodies of batches, and for large ones of webhooks.
    pub(crate) room: Arc<Room>,
    /// For those that are being worked on.
    admission: Arc<Admission>,
    /// Requests in hand whose head proves a clinic: one clinic leaves a quarter of the places to the others.
    pub(crate) in_hand: ByClinic,
    /// Those of them whose body is here: one that is slow to send it makes no burst.
    pub(crate) received: ByClinic,
    /// Those that wait for longer than usual. They hold places: they leave half of them to the others, and a clinic half of that to
    /// other clinics.
    pub(crate) waiting: ByClinic,
    pub(crate) clock: Arc<AcceptanceClock>,
    pub(crate) results: Arc<ResultDesk>,
}

/// What an ingress is made of.
#[derive(Debug)]
pub struct Parts {
    /// `[ingress]`
    pub settings: IngressConfig,
    /// How long a webhook waits for the broker's confirm.
    pub publish_timeout: Duration,
    /// Where events go.
    pub broker: Arc<dyn Broker>,
    /// Where clinics and status pages are read.
    pub database: DatabaseConnection,
    /// Opens the clinics' signing secrets.
    pub seal: Arc<Seal>,
}

impl Ingress {
    /// An ingress that begins to read the clinics, until `shutdown`, and to listen for results.
    #[must_use]
    pub fn start(parts: Parts, shutdown: &CancellationToken) -> Arc<Self> {
        metrics().ingress_begins();
        let Parts { mut settings, publish_timeout, broker, database, seal } = parts;
        settings.max_requests = settings.max_requests.min(Semaphore::MAX_PERMITS);
        let refresh_every = Duration::from_secs(settings.clinics_refresh_interval_s);
        let clock = Arc::new(AcceptanceClock::default());
        let source = Source { database: database.clone(), seal, clock: Arc::clone(&clock) };
        let directory = directory::keep_current(source, refresh_every, shutdown.clone());
        let results = ResultDesk::start(broker.mailbox());
        let limiter = Limiter::new(settings.rate_per_minute, settings.rate_burst);
        let largest_bytes = settings.max_batch_body_bytes.max(settings.max_body_bytes);
        Arc::new(Self {
            places: Semaphore::new(settings.max_requests),
            room: Room::new(largest_bytes),
            admission: Admission::new(largest_bytes),
            in_hand: ByClinic::new(usize::MAX, settings.max_requests - settings.max_requests / 4),
            received: ByClinic::unlimited(),
            waiting: ByClinic::new(settings.max_requests.div_ceil(2), settings.max_requests.div_ceil(4)),
            settings,
            publish_timeout,
            broker,
            database,
            directory,
            failures: Failures::new(),
            limiter,
            clock,
            results,
        })
    }

    /// Returns when the clinics have been read once.
    pub async fn clinics_are_known(&self) {
        // The only error is that the process is ending.
        self.directory.clone().wait_for(Option::is_some).await.map(drop).unwrap_or_default();
    }

    /// A turn for a large body of a clinic. It comes within a part of what the confirm may take, so that 503 comes hardly later than to
    /// a small webhook.
    pub(crate) async fn turn(&self, clinic: &Clinic, body_bytes: usize) -> Result<Turn, Problem> {
        let turn = self.admission.turn(&clinic.clinic_id, body_bytes, self.publish_timeout / 4);
        turn.instrument(trace::turn()).await.ok_or_else(|| Overload::Turns.refuse())
    }

    /// Whether a burst of this clinic is coming in. Nobody of it who has not asked to waits for a result then: the senders go on
    /// with what they still have, and the workers get full batches.
    pub(crate) fn is_in_a_burst(&self, clinic_id: &str) -> bool {
        self.received.of(clinic_id) > MAX_WITHOUT_HURRY
    }

    /// The preference as it is followed, with the place of one that waits.
    pub(crate) fn granted(
        &self,
        clinic_id: &str,
        preference: Preference,
    ) -> (Preference, Option<Counted<'_>>) {
        let waiting = preference.wait().and_then(|_| self.waiting.enter(clinic_id));
        (preference.granted(waiting.is_some()), waiting)
    }

    /// What its connections are allowed.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_connections: self.settings.max_connections,
            max_connections_per_address: self.settings.max_connections_per_address,
            trusted_proxies: self.settings.trusted_proxies.clone(),
            first_byte_timeout: Duration::from_secs(self.settings.first_byte_timeout_s),
            max_header_bytes: self.settings.max_header_bytes,
            max_header_fields: self.settings.max_header_fields,
            header_timeout: Duration::from_secs(self.settings.header_timeout_s),
            request_timeout: Duration::from_secs(self.settings.request_timeout_s),
        }
    }

    /// Whether webhooks can be taken: the clinics are known and the broker is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.directory.borrow().is_some() && self.broker.is_connected()
    }
}
