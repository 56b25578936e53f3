//! The clinics as this process knows them, read again every few seconds. Once read, they must never be forgotten because
//! the database is away.

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
pub struct Directory {
    by_digest: HashMap<Digest, (Arc<Clinic>, Credential<Digest>)>,
    nobody: Arc<Clinic>,
}

impl Directory {
    /// Keeps these clinics.
    #[must_use]
    pub fn new(clinics: Vec<Clinic>) -> Self {
        let mut by_digest = HashMap::new();
        for clinic in clinics.into_iter().map(Arc::new) {
            for token in &clinic.tokens {
                by_digest.insert(token.verifier.clone(), (Arc::clone(&clinic), token.clone()));
            }
        }
        Self { by_digest, nobody: Arc::new(nobody()) }
    }

    pub(crate) fn find(&self, digest: &Digest) -> Option<(&Arc<Clinic>, &Credential<Digest>)> {
        self.by_digest.get(digest).map(|(clinic, token)| (clinic, token))
    }

    /// A clinic that nobody is: what an unknown token is checked against, so that its answer takes as long.
    pub(crate) fn nobody(&self) -> &Arc<Clinic> {
        &self.nobody
    }
}

fn nobody() -> Clinic {
    let secret = || vec![Credential { verifier: Digest::of(""), expires_at: None }];
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

/// Where the clinics are read, and whose stamps must go on after those that are stored there.
pub(crate) struct Source {
    pub(crate) database: DatabaseConnection,
    pub(crate) seal: Arc<Seal>,
    pub(crate) clock: Arc<AcceptanceClock>,
}

impl Source {
    /// The clinics; the first time, also the newest acceptance: the system clock may have been set back while no process ran, and of
    /// two versions without a stamp the one that is accepted later must be the newer.
    async fn clinics(&self, is_first: bool) -> Result<Enabled, DbErr> {
        if is_first && let Some(newest) = ledger::newest_acceptance(&self.database).await? {
            let now = clock::now();
            if newest > now {
                let duration_ms = (newest - now).num_milliseconds();
                tracing::warn!(
                    duration_ms,
                    "the system clock is behind the newest accepted event; stamps go on after that"
                );
            }
            self.clock.go_on_after(newest);
        }
        clinics::enabled(&self.database, &self.seal).await
    }
}

/// Reads the clinics again and again. `None` until they have been read once.
pub(crate) fn keep_current(
    source: Source,
    every: Duration,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<Arc<Directory>>> {
    let (current, directory) = watch::channel(None);
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        let mut was_read = true;
        let mut known_troubles = Vec::new();
        loop {
            let is_first = current.borrow().is_none();
            match database::read(|| source.clinics(is_first)).await {
                Ok(Enabled { clinics, troubles }) => {
                    tell_of(&troubles, &known_troubles);
                    metrics().clinics_were_read(refused(&troubles));
                    known_troubles = troubles;
                    current.send_replace(Some(Arc::new(Directory::new(clinics))));
                    was_read = true;
                }
                Err(_) if !was_read => {}
                Err(_) => {
                    tracing::warn!("the clinics cannot be read from the database; those known so far go on");
                    was_read = false;
                }
            }
            tokio::time::sleep(every).await;
        }
    }));
    directory
}

/// How many clinics cannot be let in, each counted once.
fn refused(troubles: &[Trouble]) -> usize {
    let refused = troubles.iter().filter(|trouble| trouble.is_refused);
    refused.map(|trouble| &trouble.clinic_id).collect::<HashSet<_>>().len()
}

/// Once, not at each reading.
fn tell_of(troubles: &[Trouble], known: &[Trouble]) {
    for Trouble { clinic_id, is_refused, reason } in troubles.iter().filter(|one| !known.contains(one)) {
        if *is_refused {
            tracing::error!(clinic_id, reason, "a clinic cannot be let in; its requests are refused");
        } else {
            tracing::error!(clinic_id, reason, "of a clinic's signing secrets, only the others count");
        }
    }
}
