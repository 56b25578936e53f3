//! The clinics as this process knows them, read again every few seconds. Once read, they must never be forgotten because
//! the database is away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use careq_shared::clinics::{self, Clinic, Credential, Enabled, Trouble};
use careq_shared::database;
use careq_shared::event_key::EventKey;
use careq_shared::networks::Networks;
use careq_shared::seal::Seal;
use careq_shared::secret::Digest;
use careq_shared::telemetry::metrics::metrics;
use sea_orm::DatabaseConnection;
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

/// Reads the clinics again and again. `None` until they have been read once.
pub(crate) fn keep_current(
    database: DatabaseConnection,
    seal: Arc<Seal>,
    every: Duration,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<Arc<Directory>>> {
    let (current, directory) = watch::channel(None);
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        let mut was_read = true;
        let mut known_troubles = Vec::new();
        loop {
            match database::read(|| clinics::enabled(&database, &seal)).await {
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
