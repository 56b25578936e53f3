//! The state that all requests share: settings, clinics, limits, the broker, and the requests that wait for results.

use std::sync::Arc;
use std::time::Duration;

use careq_http::{ApiError, AuthFailures, ConnectionLimits};
use careq_shared::broker::Broker;
use careq_shared::clinics::Clinic;
use careq_shared::clock::AcceptanceClock;
use careq_shared::config::IngressConfig;
use careq_shared::seal::Seal;
use careq_shared::telemetry::metrics::metrics;
use careq_shared::telemetry::traces::SPAN;
use sea_orm::DatabaseConnection;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use crate::batch_admission::{BatchAdmission, Permit};
use crate::clinic_cache::{self, ClinicCache};
use crate::middleware::rate_limit::RateLimiter;
use crate::quota::{Limit, Quota};
use crate::reply::PendingReplies;
use crate::response::error::{self, Overload};

/// A clinic with more received requests in flight is in a burst. At 10 ms per answer, these are 3,200 requests per second.
const BURST_THRESHOLD: usize = 32;

/// The memory budget in units of the largest body.
const BUDGET_IN_LARGEST_BODIES: usize = 3;

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
    /// For the bodies of batches, and for large bodies of webhooks. It bounds the memory of a burst, and the part of it that one clinic
    /// can hold.
    pub(crate) memory_budget: Arc<Quota>,
    batch_admission: Arc<BatchAdmission>,
    /// Authenticated requests in flight. One clinic leaves a quarter of the slots to the others.
    pub(crate) in_flight: Arc<Quota>,
    /// Those whose body has arrived, so that slow senders are not counted as a burst.
    pub(crate) received: Arc<Quota>,
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
        let Parts { settings, publish_timeout, broker, database, seal } = parts;
        let max = settings.max_requests.min(Semaphore::MAX_PERMITS);
        let long_waits = Limit::Fixed { total: max.div_ceil(2), of_clinic: max.div_ceil(4) };
        let clock = Arc::new(AcceptanceClock::default());
        let clinics = clinic_cache::start(
            database.clone(),
            seal,
            Arc::clone(&clock),
            Duration::from_secs(settings.clinics_refresh_interval_s),
            shutdown.clone(),
        );
        let (rate_per_minute, burst) = (settings.rate_per_minute, settings.rate_burst);
        let rate_limiter = RateLimiter::new(rate_per_minute, burst, settings.rate_records_per_token);
        let max_body_bytes = settings.max_batch_body_bytes.max(settings.max_body_bytes);
        let budget = max_body_bytes.saturating_mul(BUDGET_IN_LARGEST_BODIES);
        Arc::new(Self {
            request_slots: Semaphore::new(max),
            memory_budget: Quota::new(Limit::Halving { total: budget }),
            batch_admission: BatchAdmission::new(max_body_bytes),
            in_flight: Quota::new(Limit::Fixed { total: max, of_clinic: max - max / 4 }),
            received: Quota::new(Limit::None),
            pending_replies: PendingReplies::start(broker.mailbox(), Quota::new(long_waits)),
            settings,
            publish_timeout,
            broker,
            database,
            clinics,
            auth_failures: AuthFailures::default(),
            rate_limiter,
            clock,
        })
    }

    /// Returns when the clinics have been read once, or the process shuts down before.
    pub async fn clinics_are_known(&self) {
        if self.clinics.clone().wait_for(Option::is_some).await.is_err() {
            tracing::debug!("the process shuts down before the clinics have been read");
        }
    }

    /// Waits for a permit to process a batch or a large webhook. The wait is a quarter of the publish timeout, so that a 503 comes hardly
    /// later than that of a small webhook.
    pub(crate) async fn admit(&self, clinic: &Clinic, body_bytes: usize) -> Result<Permit, ApiError> {
        let permit = self.batch_admission.acquire(&clinic.clinic_id, body_bytes, self.publish_timeout / 4);
        let permit = permit.instrument(info_span!(target: SPAN, "turn")).await;
        permit.ok_or_else(|| error::overloaded(Overload::Turns))
    }

    /// How long a request without a preference waits for its result. In a burst it does not wait: its sender continues at once, and
    /// the workers get full batches.
    pub(crate) fn default_wait(&self, clinic_id: &str, result_timeout_ms: u64) -> Duration {
        let is_burst = self.received.used_by(clinic_id) > BURST_THRESHOLD;
        Duration::from_millis(if is_burst { 0 } else { result_timeout_ms })
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
