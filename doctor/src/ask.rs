//! Asks over HTTP, with deadlines. An answer that is too large must never be read to its end.

use std::time::Duration;

use reqwest::{Client, Response};

/// How long an answer may take to begin and to end; nobody who is asked here has much to say.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// The largest answer that is read: a server of ours has some 100 KiB of metrics.
const MOST_BYTES: usize = 8 * 1_048_576;

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
        if body.len() > MOST_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

/// What is at an address of this machine; nothing if it does not speak HTTP.
pub(crate) async fn get(address: impl std::fmt::Display, path: &str) -> Option<String> {
    let response = client().ok()?.get(format!("http://{address}{path}")).send().await.ok()?;
    text(response).await
}
