//! Requests as bytes, generated and signed before the measurement.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use careq_shared::clock;
use careq_simulator::Webhook;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::clinic::{CLINIC, Credentials};

/// Requests that can be sent repeatedly; at least one.
#[derive(Clone)]
pub(crate) struct Requests(Arc<[Bytes]>);

impl Requests {
    /// At least about `events` requests. Two seeds share no event.
    pub(crate) fn of(credentials: &Credentials, seed: u64, events: u64) -> Result<Self> {
        let signing = Hmac::<Sha256>::new_from_slice(credentials.signing_secret.as_bytes())?;
        let webhooks = careq_simulator::webhooks(CLINIC, seed, events);
        let requests = webhooks.map(|webhook| request(credentials, &signing, &webhook));
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

fn request(credentials: &Credentials, signing: &Hmac<Sha256>, webhook: &Webhook) -> Result<Bytes> {
    let signature = HEXLOWER.encode(&signing.clone().chain_update(&webhook.body).finalize().into_bytes());
    let (path, length, token) = (webhook.path, webhook.body.len(), &credentials.token);
    let (stamp, text) = (clock::now().timestamp(), std::str::from_utf8(&webhook.body).context("JSON")?);
    let request = format!(
        "POST /api/v1/careq-sync{path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         x-careq-timestamp: {stamp}\r\nx-careq-signature: sha256={signature}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{text}"
    );
    Ok(request.into())
}
