//! Authentication of requests: the token and the clinic's other secrets (API specification, "Authentication" and "Webhook
//! Security").

use careq_shared::clock;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::clinic::Clinic;
use crate::error::SimulatorError;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const WEBHOOK_SECRET: HeaderName = HeaderName::from_static("x-webhook-secret");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-careq-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-careq-signature");

/// Source of the headers that authenticate a clinic. Its `Debug` output contains no secret.
#[derive(Clone)]
pub(crate) struct Authenticator {
    /// The headers that are the same for every request, built once.
    constant: HeaderMap,
    signing: Option<Hmac<Sha256>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authenticator")
    }
}

impl Authenticator {
    /// # Errors
    /// A secret contains characters that no header may have.
    pub(crate) fn new(clinic: &Clinic) -> Result<Self, SimulatorError> {
        let bearer = format!("Bearer {}", clinic.token.expose_secret());
        let mut constant = HeaderMap::from_iter([(AUTHORIZATION, header(clinic, &bearer)?)]);
        for (name, secret) in [(API_KEY, &clinic.api_key), (WEBHOOK_SECRET, &clinic.webhook_secret)] {
            if let Some(secret) = secret {
                constant.insert(name, header(clinic, secret.expose_secret())?);
            }
        }
        let signing = clinic.signing_secret.as_ref().map(|secret| keyed(secret.expose_secret()));
        Ok(Self { constant, signing })
    }

    /// The headers that authenticate a request with this body.
    pub(super) fn headers(&self, body: &[u8]) -> HeaderMap {
        let mut headers = self.constant.clone();
        if let Some(signing) = &self.signing {
            headers.insert(TIMESTAMP, clock::now().timestamp().into());
            headers.insert(SIGNATURE, signature(signing.clone(), body));
        }
        headers
    }
}

fn header(clinic: &Clinic, secret: &str) -> Result<HeaderValue, SimulatorError> {
    let mut value =
        HeaderValue::from_str(secret).map_err(|_| SimulatorError::InvalidSecret(clinic.clinic_id.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
fn keyed(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length")
}

/// `sha256=` and the HMAC-SHA256 of the raw body, in hexadecimal.
#[expect(clippy::expect_used, reason = "the value consists of ASCII letters, digits and `=`")]
fn signature(signing: Hmac<Sha256>, body: &[u8]) -> HeaderValue {
    let digest = HEXLOWER.encode(&signing.chain_update(body).finalize().into_bytes());
    HeaderValue::from_str(&format!("sha256={digest}")).expect("a hexadecimal digest is a valid header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_hmac_of_the_body() {
        // RFC 4231, section 4.3 (test case 2).
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(keyed("Jefe"), b"what do ya want for nothing?"), expected);
    }
}
