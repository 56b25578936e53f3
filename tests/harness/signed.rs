//! A clinic with all credentials, and its requests.

use chrono::Utc;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Client, Stack};

/// The clinic's secrets, as shown to its operator.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    pub(crate) token: String,
    pub(crate) api_key: String,
    pub(crate) webhook_secret: String,
    pub(crate) signing_secret: String,
}

/// A request with all credentials, which can be changed before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Secrets {
    pub(crate) async fn for_new_clinic(stack: &Stack, clinic_id: &str) -> Self {
        let add = ["clinic", "add", clinic_id, "--sign", "--api-key", "--webhook-secret", "--json"];
        let made: Value = serde_json::from_str(&stack.command(&add, &[]).await).unwrap();
        let secret = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            token: secret("token"),
            api_key: secret("api_key"),
            webhook_secret: secret("webhook_secret"),
            signing_secret: secret("signing_secret"),
        }
    }

    pub(crate) fn all(&self) -> [&str; 4] {
        [&self.token, &self.api_key, &self.webhook_secret, &self.signing_secret]
    }

    /// A request with all credentials.
    pub(crate) async fn sign(&self, method: Method, path: &str, body: Vec<u8>) -> Signed {
        let headers = [
            ("authorization", format!("Bearer {}", self.token)),
            ("x-api-key", self.api_key.clone()),
            ("x-webhook-secret", self.webhook_secret.clone()),
            ("x-careq-signature", format!("sha256={}", hmac(&self.signing_secret, &body).await)),
            ("x-careq-timestamp", now().to_string()),
        ];
        let mut headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        Signed { method, path: path.to_owned(), body, headers }
    }
}

impl Signed {
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.bare(self.method.clone(), &self.path).body(self.body.clone());
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

pub(crate) fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the clock of the client")]
    Utc::now().timestamp()
}

/// HMAC-SHA256 computed by openssl, independently of the product's code.
pub(crate) async fn hmac(secret: &str, body: &[u8]) -> String {
    let key = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{key}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    openssl.stdin.take().unwrap().write_all(body).await.unwrap();
    let output = openssl.wait_with_output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
}
