//! The clinics that call, with what they prove themselves by. A secret must never be printed.

use careq_shared::config::ClinicSeed;
use secrecy::SecretString;
use serde::Deserialize;

/// A clinic and its credentials, as `careq-sync clinic add --json` prints them.
#[derive(Debug, Clone, Deserialize)]
pub struct Clinic {
    /// `CareQ`'s name of it.
    pub clinic_id: String,
    /// Its bearer token.
    pub token: SecretString,
    /// `X-API-Key`, where it has one.
    pub api_key: Option<SecretString>,
    /// `X-Webhook-Secret`, where it has one.
    pub webhook_secret: Option<SecretString>,
    /// Signs its requests, where it has one.
    pub signing_secret: Option<SecretString>,
}

/// A line that is no clinic.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not what `careq-sync clinic add --json` prints")]
pub struct NoClinic {
    /// Counted from 1.
    line: usize,
}

/// Reads clinics, one JSON object a line.
///
/// # Errors
/// The first line that is none.
pub fn read(lines: &str) -> Result<Vec<Clinic>, NoClinic> {
    let filled = lines.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    filled.map(|(text, line)| serde_json::from_str(text).map_err(|_| NoClinic { line })).collect()
}

impl From<&ClinicSeed> for Clinic {
    fn from(seed: &ClinicSeed) -> Self {
        Self {
            clinic_id: seed.clinic_id.clone(),
            token: seed.token.clone(),
            api_key: None,
            webhook_secret: None,
            signing_secret: None,
        }
    }
}
