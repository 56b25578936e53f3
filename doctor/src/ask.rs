//! Asks over HTTP, with deadlines. An answer that is too large must never be read to its end.

use std::time::Duration;

use reqwest::{Client, Response};

/// How long an answer may take to begin and to end; nobody who is asked here has much to say.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// The largest answer that is read: a server of ours has some 100 KiB of metrics.
const MAX_BYTES: usize = 8 * 1_048_576;

/// A client that follows nobody elsewhere and takes no proxy from the environment: it is sent passwords.
pub(crate) fn client() -> reqwest::Result<Client> {
    // reqwest asks for one even to speak plain HTTP; another part may have chosen it before.
    rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
    Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

/// The body, as far as it is text and not too large.
pub(crate) async fn text(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

/// What is said at an address of this machine.
pub(crate) enum Said {
    /// A text, with a status below 500.
    This(String),
    /// Nothing in time, or that it cannot answer now.
    NotNow,
    /// It does not speak HTTP, or says something endless.
    Nothing,
}

impl Said {
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::This(text) => Some(text),
            Self::NotNow | Self::Nothing => None,
        }
    }
}

/// Asks at an address of this machine.
pub(crate) async fn get(address: impl std::fmt::Display, path: &str) -> Said {
    let Ok(client) = client() else { return Said::Nothing };
    match client.get(format!("http://{address}{path}")).send().await {
        Ok(response) if response.status().is_server_error() => Said::NotNow,
        Ok(response) => text(response).await.map_or(Said::Nothing, Said::This),
        Err(fault) if fault.is_timeout() => Said::NotNow,
        Err(_) => Said::Nothing,
    }
}
