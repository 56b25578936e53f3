//! Clinics and their credentials.

use careq_shared::config::ClinicSeed;
use secrecy::SecretString;
use serde::Deserialize;

/// A clinic and its credentials, as `careq-sync clinic add --json` prints them.
#[derive(Debug, Clone, Deserialize)]
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

/// A line of the file is not a clinic.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not the output of `careq-sync clinic add --json`")]
pub struct ClinicLineError {
    /// Line number, counted from 1.
    line: usize,
}

/// Reads clinics, one JSON object per line. Empty lines are skipped.
///
/// # Errors
/// The first line that is not a clinic.
pub fn read(lines: &str) -> Result<Vec<Clinic>, ClinicLineError> {
    let filled = lines.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    filled.map(|(text, line)| serde_json::from_str(text).map_err(|_| ClinicLineError { line })).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_line_is_named_by_its_number() {
        let clinic = r#"{"clinic_id": "a", "token": "t"}"#;
        assert_eq!(read(&format!("{clinic}\n\n{clinic}\n")).unwrap().len(), 2);
        let error = read(&format!("{clinic}\n\nnone")).unwrap_err();
        assert_eq!(error.to_string(), "line 3 is not the output of `careq-sync clinic add --json`");
    }
}
