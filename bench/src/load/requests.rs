//! Requests as bytes, generated and signed before the measurement.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use careq_shared::clock;
use careq_simulator::{SigningKey, Webhook};

/// Identifier of the clinic whose webhooks are sent.
pub(crate) const CLINIC: &str = "clinic_abc";

/// Credentials of the clinic.
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) signing_secret: String,
}

/// Requests that can be sent repeatedly; at least one.
#[derive(Clone)]
pub(crate) struct Requests(Arc<[Bytes]>);

impl Requests {
    /// At least about `events` requests. Two seeds share no event.
    pub(crate) fn generate(credentials: &Credentials, seed: u64, events: u64) -> Result<Self> {
        let signing = SigningKey::new(&credentials.signing_secret);
        let webhooks = careq_simulator::webhooks(CLINIC, seed, events);
        let requests = webhooks.map(|webhook| request(&credentials.token, &signing, &webhook));
        let requests: Arc<[Bytes]> = requests.collect::<Result<_>>()?;
        ensure!(!requests.is_empty(), "there are no requests to send");
        Ok(Self(requests))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The request with this number. After the last request the first one follows again.
    pub(super) fn get(&self, number: usize) -> &Bytes {
        &self.0[number % self.0.len()]
    }
}

fn request(token: &str, signing: &SigningKey, Webhook { path, body, .. }: &Webhook) -> Result<Bytes> {
    let (stamp, signature) = (clock::now().timestamp(), signing.sign(body));
    let (length, text) = (body.len(), std::str::from_utf8(body).context("JSON")?);
    let request = format!(
        "POST /api/v1/careq-sync{path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         x-careq-timestamp: {stamp}\r\nx-careq-signature: {signature}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{text}"
    );
    Ok(request.into())
}
