//! Authentication of requests: the token and the clinic's other secrets (API specification, "Authentication" and "Webhook
//! Security").

use anyhow::{Context as _, Result};
use careq_shared::clock;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::clinic::Clinic;

/// Source of the headers that authenticate a clinic.
#[derive(Clone)]
pub(crate) struct Authenticator {
    /// The headers that are the same for every request, built once.
    constant: HeaderMap,
    signing: Option<SigningKey>,
}

/// Key of a clinic's signatures.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl Authenticator {
    /// # Errors
    /// A secret contains characters that no header may have.
    pub(crate) fn new(clinic: &Clinic) -> Result<Self> {
        let bearer = format!("Bearer {}", clinic.token.expose_secret());
        let secrets = [
            ("authorization", Some(bearer.as_str())),
            ("x-api-key", clinic.api_key.as_ref().map(SecretString::expose_secret)),
            ("x-webhook-secret", clinic.webhook_secret.as_ref().map(SecretString::expose_secret)),
        ];
        let mut constant = HeaderMap::new();
        for (name, secret) in secrets {
            if let Some(secret) = secret {
                let mut value = HeaderValue::from_str(secret).with_context(|| {
                    let clinic_id = &clinic.clinic_id;
                    format!("a secret of clinic {clinic_id} contains characters that no HTTP header may have")
                })?;
                value.set_sensitive(true);
                constant.insert(name, value);
            }
        }
        let signing = clinic.signing_secret.as_ref().map(|secret| SigningKey::new(secret.expose_secret()));
        Ok(Self { constant, signing })
    }

    /// Adds the headers that authenticate a request with this body.
    pub(crate) fn authenticate(&self, request: RequestBuilder, body: &[u8]) -> RequestBuilder {
        let request = request.headers(self.constant.clone());
        let Some(signing) = &self.signing else { return request };
        request
            .header("x-careq-timestamp", clock::now().timestamp())
            .header("x-careq-signature", signing.sign(body))
    }
}

impl SigningKey {
    /// The key made of a signing secret.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
    pub fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// Value of `X-CareQ-Signature`: `sha256=` and the HMAC-SHA256 of the raw body, in hexadecimal.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let digest = self.0.clone().chain_update(body).finalize().into_bytes();
        format!("sha256={}", HEXLOWER.encode(&digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_hmac_of_the_body() {
        // RFC 4231, section 4.3 (test case 2).
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(SigningKey::new("Jefe").sign(b"what do ya want for nothing?"), expected);
    }
}
