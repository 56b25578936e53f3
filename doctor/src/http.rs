//! HTTP requests with a timeout and a limit of the body.

use std::time::Duration;

use reqwest::{Client, Response};

/// The timeout of a request including its response, which is small.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The largest body. The metrics of a process have about 100 KiB.
const MAX_BODY_BYTES: usize = 8 * 1_048_576;

/// A client without redirects or proxies of the environment, since requests contain passwords.
pub(crate) fn client() -> reqwest::Result<Client> {
    // reqwest requires a provider even for plain HTTP. An error means that one is installed already.
    rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
    Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

/// The body; `None` if it is no UTF-8, too large, or breaks off.
pub(crate) async fn text(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BODY_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

/// The result of a request to an address of this machine.
pub(crate) enum Reply {
    /// A text, with a status below 500.
    Text(String),
    /// A timeout, or a status from 500.
    Unavailable,
    /// No HTTP, or a body that is too large.
    Invalid,
}

impl Reply {
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unavailable | Self::Invalid => None,
        }
    }
}

/// Sends a GET to an address of this machine.
pub(crate) async fn get(address: impl std::fmt::Display, path: &str) -> Reply {
    let Ok(client) = client() else { return Reply::Invalid };
    match client.get(format!("http://{address}{path}")).send().await {
        Ok(response) if response.status().is_server_error() => Reply::Unavailable,
        Ok(response) => text(response).await.map_or(Reply::Invalid, Reply::Text),
        Err(fault) if fault.is_timeout() => Reply::Unavailable,
        Err(_) => Reply::Invalid,
    }
}
