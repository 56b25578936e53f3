//! The state that all requests share: settings, clinics, limits, the broker, and the requests that wait for results.

use std::sync::Arc;
use std::time::Duration;

use careq_http::{ApiError, AuthFailures, BodyLimits, ConnectionLimits};
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

use crate::batch_admission::{BatchAdmission, Permit};
use crate::clinic_cache::{self, ClinicCache, Source};
use crate::clinic_counter::{ClinicCounter, CountedRequest};
use crate::memory_budget::MemoryBudget;
use crate::middleware::rate_limit::RateLimiter;
use crate::reply::pending::{PendingReplies, WaitLimit};
use crate::reply::prefer::Preference;
use crate::response::error::{self, Overload};
use crate::trace;

/// A clinic with more received requests in flight is in a burst. At 10 ms per answer, these are 3,200 requests per second.
const BURST_THRESHOLD: usize = 32;

/// The state that all requests share.
#[derive(Debug)]
pub struct Ingress {
    pub(crate) settings: IngressConfig,
    pub(crate) publish_timeout: Duration,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) database: DatabaseConnection,
    pub(crate) clinics: watch::Receiver<Option<Arc<ClinicCache>>>,
    pub(crate) auth_failures: AuthFailures,
    pub(crate) rate_limiter: RateLimiter,
    /// One permit per request in flight.
    pub(crate) request_slots: Semaphore,
    /// For the bodies of batches, and for large bodies of webhooks.
    pub(crate) memory_budget: Arc<MemoryBudget>,
    batch_admission: Arc<BatchAdmission>,
    /// Authenticated requests in flight. One clinic leaves a quarter of the slots to the others.
    pub(crate) in_flight: ClinicCounter,
    /// Those whose body has arrived, so that slow senders are not counted as a burst.
    pub(crate) received: ClinicCounter,
    /// Those that wait longer than the default. They leave half of the slots to the others, and a clinic half of that to other clinics.
    waiting: ClinicCounter,
    pub(crate) clock: Arc<AcceptanceClock>,
    pub(crate) pending_replies: Arc<PendingReplies>,
}

/// The parts of an ingress.
#[derive(Debug)]
pub struct Parts {
    /// `[ingress]`
    pub settings: IngressConfig,
    /// How long a webhook waits for the broker's confirm.
    pub publish_timeout: Duration,
    /// Receives the messages.
    pub broker: Arc<dyn Broker>,
    /// Holds the clinics, and the results for the status pages.
    pub database: DatabaseConnection,
    /// Opens the clinics' signing secrets.
    pub seal: Arc<Seal>,
}

impl Ingress {
    /// Starts to refresh the clinics, until `shutdown`, and to receive results.
    #[must_use]
    pub fn start(parts: Parts, shutdown: &CancellationToken) -> Arc<Self> {
        metrics().ingress_begins();
        let Parts { mut settings, publish_timeout, broker, database, seal } = parts;
        settings.max_requests = settings.max_requests.min(Semaphore::MAX_PERMITS);
        let refresh_interval = Duration::from_secs(settings.clinics_refresh_interval_s);
        let clock = Arc::new(AcceptanceClock::default());
        let source = Source { database: database.clone(), seal, clock: Arc::clone(&clock) };
        let clinics = clinic_cache::start(source, refresh_interval, shutdown.clone());
        let pending_replies = PendingReplies::start(broker.mailbox());
        let rate_limiter = RateLimiter::new(settings.rate_per_minute, settings.rate_burst);
        let max_body_bytes = settings.max_batch_body_bytes.max(settings.max_body_bytes);
        Arc::new(Self {
            request_slots: Semaphore::new(settings.max_requests),
            memory_budget: MemoryBudget::new(max_body_bytes),
            batch_admission: BatchAdmission::new(max_body_bytes),
            in_flight: ClinicCounter::new(usize::MAX, settings.max_requests - settings.max_requests / 4),
            received: ClinicCounter::unlimited(),
            waiting: ClinicCounter::new(settings.max_requests.div_ceil(2), settings.max_requests.div_ceil(4)),
            settings,
            publish_timeout,
            broker,
            database,
            clinics,
            auth_failures: AuthFailures::default(),
            rate_limiter,
            clock,
            pending_replies,
        })
    }

    /// Returns when the clinics have been read once, or the process shuts down before.
    pub async fn clinics_are_known(&self) {
        if self.clinics.clone().wait_for(Option::is_some).await.is_err() {
            tracing::debug!("the process shuts down before the clinics have been read");
        }
    }

    /// Waits for a permit to process a large body. The wait is a quarter of the publish timeout, so that a 503 comes hardly later than
    /// that of a small webhook.
    pub(crate) async fn admit(&self, clinic: &Clinic, body_bytes: usize) -> Result<Permit, ApiError> {
        let permit = self.batch_admission.acquire(&clinic.clinic_id, body_bytes, self.publish_timeout / 4);
        let permit = permit.instrument(trace::admission()).await;
        permit.ok_or_else(|| error::overloaded(Overload::Turns))
    }

    /// Counts a request that prefers to wait. Beyond the limit, the preference is not followed.
    pub(crate) fn enter_wait(
        &self,
        clinic_id: &str,
        preference: Preference,
    ) -> (Preference, Option<CountedRequest<'_>>) {
        let waiting = preference.wait().and_then(|_| self.waiting.enter(clinic_id));
        (preference.granted(waiting.is_some()), waiting)
    }

    /// How long a request may wait for its result; `None` if it does not wait. In a burst, a request without a preference does not
    /// wait: its sender continues at once, and the workers get full batches.
    pub(crate) fn wait_limit(
        &self,
        clinic_id: &str,
        preference: Preference,
        default: Duration,
    ) -> Option<WaitLimit> {
        match preference {
            Preference::RespondAsync => None,
            Preference::None if self.received.count(clinic_id) > BURST_THRESHOLD => None,
            Preference::Wait { .. } => preference.wait().map(WaitLimit::Preferred),
            Preference::None => Some(WaitLimit::Default(default)),
        }
    }

    /// The limits of a body of at most `max_bytes`.
    pub(crate) fn body_limits(&self, max_bytes: usize) -> BodyLimits {
        BodyLimits { max_bytes, timeout: Duration::from_secs(self.settings.body_timeout_s) }
    }

    /// The limits of the connections.
    pub(crate) fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
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

    /// Whether webhooks can be accepted: the clinics are known and the broker is connected.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.clinics.borrow().is_some() && self.broker.is_connected()
    }
}
