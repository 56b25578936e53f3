//! The clinics as this process knows them, read again every few seconds. Once read, they must never be forgotten because
//! the database is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use careq_shared::clinics::{self, Clinic, Credential, Digest, Enabled};
use careq_shared::database;
use careq_shared::ids::EventKey;
use careq_shared::networks::Networks;
use careq_shared::seal::Seal;
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

    /// A clinic that asks for everything and has no token: what an unknown token is checked against.
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
        let mut known_unusable = Vec::new();
        loop {
            match database::read(clinics::enabled(&database, &seal)).await {
                Ok(Enabled { clinics, unusable }) => {
                    tell_of(&unusable, &known_unusable);
                    known_unusable = unusable;
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

/// Once for each clinic, not at each reading.
fn tell_of(unusable: &[(String, String)], known: &[(String, String)]) {
    for (clinic_id, reason) in unusable.iter().filter(|one| !known.contains(one)) {
        tracing::error!(clinic_id, reason, "a clinic cannot be let in; its requests are refused");
    }
}
