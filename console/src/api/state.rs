//! The state that all requests share.

use std::sync::Arc;
use std::time::Duration;

use careq_http::{AuthFailures, BodyLimits};
use careq_shared::networks::Networks;
use careq_shared::records::Limits;
use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The most concurrent requests. The callers are a few people and scripts.
const MAX_REQUESTS: usize = 64;

/// The most concurrent progress streams. Each reads its job from the database every second.
const MAX_STREAMS: usize = 32;

/// The time for a client to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of the admin API.
#[derive(Debug)]
pub struct Api {
    pub(super) database: DatabaseConnection,
    pub(super) seal: Arc<Seal>,
    pub(super) body_limits: BodyLimits,
    /// The limits of the field rules, for corrections.
    pub(super) record_limits: Limits,
    pub(super) trusted_proxies: Networks,
    pub(super) failures: AuthFailures,
    /// One for each concurrent request.
    pub(super) request_permits: Semaphore,
    /// One for each concurrent progress stream.
    pub(super) stream_permits: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
}

/// The dependencies and settings of an admin API.
#[derive(Debug)]
pub struct Dependencies {
    /// The database, with a pool that no worker shares: on SQLite, requests would wait for the worker's transactions.
    pub database: DatabaseConnection,
    /// The keys that open payloads and seal corrections.
    pub seal: Arc<Seal>,
    /// The largest body in bytes: that of a webhook, since a correction is one.
    pub max_body_bytes: usize,
    /// The limits of the field rules, for corrections.
    pub limits: Limits,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Networks,
    /// Cancelled at shutdown, which ends the streams.
    pub shutdown: CancellationToken,
}

impl Api {
    /// The state of a new admin API.
    #[must_use]
    pub fn new(dependencies: Dependencies) -> Arc<Self> {
        let Dependencies { database, seal, max_body_bytes, limits, trusted_proxies, shutdown } = dependencies;
        Arc::new(Self {
            database,
            seal,
            body_limits: BodyLimits { max_bytes: max_body_bytes, timeout: BODY_TIMEOUT },
            record_limits: limits,
            trusted_proxies,
            failures: AuthFailures::default(),
            request_permits: Semaphore::new(MAX_REQUESTS),
            stream_permits: Arc::new(Semaphore::new(MAX_STREAMS)),
            shutdown,
        })
    }
}
