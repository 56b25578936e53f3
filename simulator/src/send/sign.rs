//! Proves a request to be CareQ's: token, and whatever else the clinic has (API specification, "Authentication" and
//! "Webhook Security").

use careq_shared::clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::clinic::Clinic;

/// Adds every proof that the clinic has.
pub(super) fn proven(request: RequestBuilder, clinic: &Clinic, body: &[u8]) -> RequestBuilder {
    let mut request = request.bearer_auth(clinic.token.expose_secret());
    for (name, secret) in [("x-api-key", &clinic.api_key), ("x-webhook-secret", &clinic.webhook_secret)] {
        if let Some(secret) = secret {
            request = request.header(name, secret.expose_secret());
        }
    }
    match &clinic.signing_secret {
        None => request,
        Some(secret) => request
            .header("x-careq-timestamp", clock::now().timestamp())
            .header("x-careq-signature", signature(secret, body)),
    }
}

/// `sha256=` and the HMAC-SHA256 of the raw body, in hexadecimal.
fn signature(secret: &SecretString, body: &[u8]) -> String {
    use std::fmt::Write as _;
    let key = secret.expose_secret().as_bytes();
    // HMAC takes keys of any length (RFC 2104, 2), so there is no error to meet.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let digest = mac.chain_update(body).finalize().into_bytes();
    digest.iter().fold("sha256=".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
