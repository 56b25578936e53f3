//! Proves a request to be CareQ's: token, and whatever else the clinic has (API specification, "Authentication" and
//! "Webhook Security"). What is the same for every request is made once.

use careq_shared::clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::SimulatorError;
use crate::clinic::Clinic;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const WEBHOOK_SECRET: HeaderName = HeaderName::from_static("x-webhook-secret");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-careq-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-careq-signature");

/// Everything that a clinic proves itself by. It must never be printed.
#[derive(Clone)]
pub(crate) struct Proofs {
    constant: HeaderMap,
    signing: Option<Hmac<Sha256>>,
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proofs")
    }
}

impl Proofs {
    pub(crate) fn of(clinic: &Clinic) -> Result<Self, SimulatorError> {
        let bearer = format!("Bearer {}", clinic.token.expose_secret());
        let mut constant = HeaderMap::from_iter([(AUTHORIZATION, header(clinic, &bearer)?)]);
        for (name, secret) in [(API_KEY, &clinic.api_key), (WEBHOOK_SECRET, &clinic.webhook_secret)] {
            if let Some(secret) = secret {
                constant.insert(name, header(clinic, secret.expose_secret())?);
            }
        }
        // HMAC takes keys of any length (RFC 2104, 2), so there is no error to meet.
        let signing = clinic.signing_secret.as_ref();
        let signing = signing.and_then(|secret| Hmac::new_from_slice(secret.expose_secret().as_bytes()).ok());
        Ok(Self { constant, signing })
    }

    /// The headers that prove a request with this body.
    pub(super) fn headers(&self, body: &[u8]) -> HeaderMap {
        let mut headers = self.constant.clone();
        if let Some(signing) = &self.signing {
            headers.insert(TIMESTAMP, clock::now().timestamp().into());
            headers.extend(signature(signing.clone(), body).map(|signature| (SIGNATURE, signature)));
        }
        headers
    }
}

fn header(clinic: &Clinic, secret: &str) -> Result<HeaderValue, SimulatorError> {
    let mut value =
        HeaderValue::from_str(secret).map_err(|_| SimulatorError::NoHeader(clinic.clinic_id.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `sha256=` and the HMAC-SHA256 of the raw body, in hexadecimal.
fn signature(signing: Hmac<Sha256>, body: &[u8]) -> Option<HeaderValue> {
    use std::fmt::Write as _;
    let digest = signing.chain_update(body).finalize().into_bytes();
    let text = digest.iter().fold("sha256=".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    });
    HeaderValue::from_str(&text).ok()
}
