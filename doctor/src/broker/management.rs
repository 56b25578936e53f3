//! RabbitMQ's management API, the only source of policies and versions. Its password is not shown, and is sent only to the address of the
//! settings or the host of `broker.url`.

use std::time::Duration;

use careq_shared::broker::rabbitmq::Address;
use careq_shared::clock;
use careq_shared::config::Config;
use chrono::{DateTime, Utc};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::report::{Finding, Reached};

/// The first version that supports all arguments of our quorum queues.
const MIN_VERSION: (u32, u32) = (3, 10);

/// The timeout of a request including its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The largest response body.
const MAX_BODY_BYTES: usize = 8 * 1_048_576;

/// The consequence of an unreachable API.
const POLICIES_UNKNOWN: &str = "AMQP does not expose policies: one that drops or expires messages would not be reported, and neither would \
                      an old RabbitMQ";

/// A client of the management API.
pub(crate) struct Management {
    /// With user and password.
    base: Url,
    http: Client,
    /// The virtual host of `broker.url`.
    pub(crate) virtual_host: String,
    /// The server's clock, between two readings of the local clock.
    pub(crate) date: Option<(DateTime<Utc>, DateTime<Utc>, DateTime<Utc>)>,
}

pub(crate) async fn reach(config: &Config) -> Reached<Management> {
    let virtual_host =
        Address::from_config(&config.broker).map_or_else(|_| "/".to_owned(), |address| address.virtual_host);
    let by_hand = format!(
        "`rabbitmqctl list_policies -p '{virtual_host}'` and `rabbitmqctl list_operator_policies -p \
         '{virtual_host}'` show the policies"
    );
    if config.broker.management_url.expose_secret() == "none" {
        let seen = "broker.management_url is `none`: the policies were not examined";
        let finding = Finding::warning("management.none", seen);
        return (vec![finding.means(POLICIES_UNKNOWN).remedy(by_hand)], None);
    }
    let Some(mut management) = Management::from_config(config) else {
        let finding = Finding::error("management.url", "broker.management_url is not a URL");
        return (
            vec![finding.means(POLICIES_UNKNOWN).remedy("set it to a URL such as http://host:15672")],
            None,
        );
    };
    match management.overview().await {
        Ok(overview) => (vec![version(&overview)], Some(management)),
        Err(reason) => {
            let user = management.base.username();
            let seen = format!("the management API at {} cannot be used: {reason}", management.address());
            let remedy = format!(
                "`rabbitmq-plugins enable rabbitmq_management` and `rabbitmqctl set_user_tags {user} management` on \
                 the server; set broker.management_url if it has another address. Without it: {by_hand}. With \
                 broker.management_url = \"none\" this is only a warning"
            );
            let finding = Finding::not_examined("management.unreachable", seen);
            (vec![finding.means(POLICIES_UNKNOWN).remedy(remedy)], None)
        }
    }
}

fn version(overview: &Value) -> Finding {
    let version = overview["rabbitmq_version"].as_str().or(overview["product_version"].as_str());
    let version = version.unwrap_or("of unknown version");
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    let seen = format!("RabbitMQ is {version}");
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) < MIN_VERSION => Finding::error("broker.too_old", seen)
            .means("its quorum queues lack arguments that careq-sync declares: dead-lettered messages could be lost")
            .remedy("upgrade RabbitMQ to 3.10 or newer"),
        _ => Finding::well("broker.version", seen),
    }
}

impl Management {
    /// The API with the user of its URL, or of `broker.url`.
    fn from_config(config: &Config) -> Option<Self> {
        let address = Address::from_config(&config.broker).ok()?;
        let set = config.broker.management_url.expose_secret();
        let (scheme, port) = if address.is_encrypted { ("https", 15671) } else { ("http", 15672) };
        let usual = format!("{scheme}://{}:{port}", address.host);
        let mut base: Url = if set.is_empty() { usual.as_str() } else { set }.parse().ok()?;
        if base.username().is_empty() {
            // `Url` does not encode a `%`, and reqwest decodes it.
            let encoded = |text: &str| text.replace('%', "%25");
            base.set_username(&encoded(&address.user)).ok()?;
            base.set_password(Some(&encoded(address.password.expose_secret()))).ok()?;
        }
        // reqwest requires a provider even for plain HTTP. An error means that one is installed already.
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        // Neither redirects nor proxies of the environment, since requests contain the password.
        let http = Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = http.no_proxy().build().ok()?;
        Some(Self { base, http, virtual_host: address.virtual_host, date: None })
    }

    /// The address without user and password.
    fn address(&self) -> String {
        let mut origin = self.base.origin().ascii_serialization();
        origin.push_str(self.base.path().trim_end_matches('/'));
        origin
    }

    async fn overview(&mut self) -> Result<Value, String> {
        let before = clock::now();
        let response = self.send(&["overview"]).await?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        self.date = date.map(|date| (before, date.to_utc(), clock::now()));
        body(response).await
    }

    /// The resource at `/api/` and these path segments.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, String> {
        body(self.send(path).await?).await
    }

    async fn send(&self, path: &[&str]) -> Result<Response, String> {
        let mut url = self.base.clone();
        // Segments are encoded, since a virtual host may be called `/`.
        url.path_segments_mut()
            .map_err(|()| "it is not the URL of a server")?
            .pop_if_empty()
            .push("api")
            .extend(path);
        let response = self.http.get(url).send().await.map_err(innermost_cause)?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let user = self.base.username();
                Err(format!("it refuses the user {user}, who needs the tag `management`"))
            }
            status => Err(format!("it answers {status}")),
        }
    }
}

async fn body<T: DeserializeOwned>(mut response: Response) -> Result<T, String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(innermost_cause)? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BODY_BYTES {
            return Err("its response is too large".to_owned());
        }
    }
    serde_json::from_slice(&body)
        .map_err(|_| "its response is not one of RabbitMQ's management API".to_owned())
}

/// The innermost cause of an error: the outer ones repeat the URL.
fn innermost_cause(fault: reqwest::Error) -> String {
    if fault.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let fault = fault.without_url();
    let mut cause: &dyn std::error::Error = &fault;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
