//! The clinics as this process knows them, read again every few seconds. Once read, they must never be forgotten because
//! the database is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use careq_shared::clinics::{self, Clinic, TokenDigest};
use careq_shared::database;
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Clinics by the digests of their tokens.
#[derive(Debug, Default)]
pub struct Directory {
    by_digest: HashMap<String, (Arc<Clinic>, TokenDigest)>,
}

impl Directory {
    /// Keeps these clinics.
    #[must_use]
    pub fn new(clinics: Vec<Clinic>) -> Self {
        let mut by_digest = HashMap::new();
        for clinic in clinics.into_iter().map(Arc::new) {
            for token in &clinic.tokens {
                by_digest.insert(token.digest.clone(), (Arc::clone(&clinic), token.clone()));
            }
        }
        Self { by_digest }
    }

    pub(crate) fn find(&self, digest: &str) -> Option<(&Arc<Clinic>, &TokenDigest)> {
        self.by_digest.get(digest).map(|(clinic, token)| (clinic, token))
    }
}

/// Reads the clinics again and again. `None` until they have been read once.
pub(crate) fn keep_current(
    database: DatabaseConnection,
    every: Duration,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<Arc<Directory>>> {
    let (current, directory) = watch::channel(None);
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        let mut was_read = true;
        loop {
            match database::read(clinics::enabled(&database)).await {
                Ok(clinics) => {
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
