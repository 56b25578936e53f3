//! Clinics and their credentials.

use anyhow::{Result, anyhow};
use careq_shared::config::ClinicSeed;
use secrecy::SecretString;
use serde::Deserialize;

/// A clinic and its credentials, as `careq-sync clinic add --json` prints them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Clinic {
    /// Identifier in CareQ.
    pub clinic_id: String,
    /// Bearer token.
    pub token: SecretString,
    /// Value of `X-API-Key`, if the clinic needs it.
    pub api_key: Option<SecretString>,
    /// Value of `X-Webhook-Secret`, if the clinic needs it.
    pub webhook_secret: Option<SecretString>,
    /// Key of the signatures, if the clinic signs its requests.
    pub signing_secret: Option<SecretString>,
}

/// Reads clinics, one JSON object per line. Empty lines are skipped.
///
/// # Errors
/// The first line that is not a clinic. The error has no part of the line, which may be a secret.
pub fn read_clinics(lines: &str) -> Result<Vec<Clinic>> {
    let filled = lines.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let clinics = filled.map(|(text, number)| {
        let clinic = serde_json::from_str(text);
        clinic.map_err(|_| anyhow!("line {number} is not the output of `careq-sync clinic add --json`"))
    });
    clinics.collect()
}

impl From<&ClinicSeed> for Clinic {
    fn from(seed: &ClinicSeed) -> Self {
        Self { clinic_id: seed.clinic_id.clone(), token: seed.token.clone(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_line_is_named_by_its_number() {
        let clinic = r#"{"clinic_id": "a", "token": "t"}"#;
        assert_eq!(read_clinics(&format!("{clinic}\n\n{clinic}\n")).unwrap().len(), 2);
        let error = read_clinics(&format!("{clinic}\n\nnone")).unwrap_err();
        assert_eq!(error.to_string(), "line 3 is not the output of `careq-sync clinic add --json`");
    }
}
