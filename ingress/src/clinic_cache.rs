//! An in-memory copy of the clinics, refreshed every few seconds. While the database is unavailable, the last copy stays in use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use careq_shared::clinics::{self, Clinic, Credential, Enabled, Trouble};
use careq_shared::clock::{self, AcceptanceClock};
use careq_shared::database;
use careq_shared::event_key::EventKey;
use careq_shared::ledger;
use careq_shared::networks::Networks;
use careq_shared::seal::Seal;
use careq_shared::secret::Digest;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Clinics by the digests of their tokens.
#[derive(Debug)]
pub(crate) struct ClinicCache {
    pub(crate) by_digest: HashMap<Digest, (Arc<Clinic>, Credential<Digest>)>,
    pub(crate) placeholder: Arc<Clinic>,
}

impl ClinicCache {
    fn new(clinics: Vec<Clinic>) -> Self {
        let mut by_digest = HashMap::new();
        for clinic in clinics.into_iter().map(Arc::new) {
            for token in &clinic.tokens {
                by_digest.insert(token.verifier.clone(), (Arc::clone(&clinic), token.clone()));
            }
        }
        Self { by_digest, placeholder: Arc::new(placeholder()) }
    }
}

/// The clinic that an unknown token is checked against, so that its answer takes as long. It accepts no request.
pub(crate) fn placeholder() -> Clinic {
    let secret = || vec![Credential { verifier: Digest::new(""), expires_at: None }];
    Clinic {
        clinic_id: String::new(),
        event_key: EventKey::new([0; 32]),
        answer_within_ms: None,
        rate_per_minute: None,
        rate_burst: None,
        addresses: Networks::default(),
        tokens: Vec::new(),
        api_keys: secret(),
        webhook_secrets: secret(),
        signing_secrets: Vec::new(),
    }
}

/// Continues the clock from the newest stored acceptance. The system clock may have been set back while no process ran; of two
/// versions without a stamp, the one accepted later must be the newer one.
async fn continue_clock(database: &DatabaseConnection, clock: &AcceptanceClock) -> Result<(), DbErr> {
    let Some(newest) = ledger::newest_acceptance(database).await? else { return Ok(()) };
    let duration_ms = (newest - clock::now()).num_milliseconds();
    if duration_ms > 0 {
        tracing::warn!(
            duration_ms,
            "the system clock is behind the newest accepted event; stamps continue from that event"
        );
    }
    clock.go_on_after(newest);
    Ok(())
}

/// Starts the refresh task. The value is `None` until the clinics have been read once.
pub(crate) fn start(
    database: DatabaseConnection,
    seal: Arc<Seal>,
    clock: Arc<AcceptanceClock>,
    refresh_interval: Duration,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<Arc<ClinicCache>>> {
    let (sender, cache) = watch::channel(None);
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        let mut was_read = true;
        let mut logged = Vec::new();
        loop {
            let is_first = sender.borrow().is_none();
            let read = async || {
                if is_first {
                    continue_clock(&database, &clock).await?;
                }
                clinics::enabled(&database, &seal).await
            };
            match database::read(read).await {
                Ok(Enabled { clinics, troubles }) => {
                    log_new(&troubles, &logged);
                    metrics().clinics_were_read(refused_clinics(&troubles));
                    logged = troubles;
                    sender.send_replace(Some(Arc::new(ClinicCache::new(clinics))));
                    was_read = true;
                }
                Err(_) if was_read => {
                    tracing::warn!(
                        "the clinics cannot be read from the database; the last copy stays in use"
                    );
                    was_read = false;
                }
                Err(_) => {}
            }
            tokio::time::sleep(refresh_interval).await;
        }
    }));
    cache
}

/// The number of clinics whose requests are refused.
fn refused_clinics(troubles: &[Trouble]) -> usize {
    let refused = troubles.iter().filter(|trouble| trouble.is_refused);
    refused.map(|trouble| &trouble.clinic_id).collect::<HashSet<_>>().len()
}

/// Logs each fault once, not at each refresh.
fn log_new(troubles: &[Trouble], logged: &[Trouble]) {
    for Trouble { clinic_id, is_refused, reason } in troubles.iter().filter(|one| !logged.contains(one)) {
        if *is_refused {
            tracing::error!(clinic_id, reason, "a clinic cannot be loaded; its requests are refused");
        } else {
            tracing::error!(
                clinic_id,
                reason,
                "a clinic's signing secret cannot be opened; its other secrets stay in use"
            );
        }
    }
}
