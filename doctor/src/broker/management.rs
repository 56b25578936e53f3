//! RabbitMQ's management API, the only source of policies and versions. Its password is not shown, and is sent only to the address of the
//! settings or the host of `broker.url`.

use careq_shared::broker::rabbitmq::Address;
use careq_shared::clock;
use careq_shared::config::Config;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::finding::Finding;
use crate::http;
use crate::report::Reached;

/// The first version that supports all arguments of our quorum queues.
const MIN_VERSION: (u32, u32) = (3, 10);

/// A client of the management API.
pub(crate) struct Management {
    base: Url,
    user: String,
    password: SecretString,
    http: Client,
    /// The virtual host of `broker.url`.
    pub(crate) virtual_host: String,
    /// The server's clock, between two readings of the local clock.
    pub(crate) date: Option<(DateTime<Utc>, DateTime<Utc>, DateTime<Utc>)>,
}

pub(crate) async fn reach(config: &Config) -> Reached<Management> {
    if config.broker.management_url.expose_secret() == "none" {
        let finding = Finding::warning(
            "management.none",
            "broker.management_url is `none`: the policies were not examined",
        );
        let virtual_host =
            Address::of(&config.broker).map_or_else(|_| "/".to_owned(), |address| address.virtual_host);
        return (vec![finding.means(POLICIES_UNKNOWN).remedy(by_hand(&virtual_host))], None);
    }
    let Some(mut management) = Management::of(config) else {
        let finding = Finding::error("management.url", "broker.management_url is no URL");
        return (vec![finding.means(POLICIES_UNKNOWN).remedy("it looks like http://host:15672")], None);
    };
    match management.overview().await {
        Ok(overview) => (vec![version(&overview)], Some(management)),
        Err(reason) => {
            let seen = format!("the management API at {} cannot be asked: {reason}", management.address());
            let remedy = format!(
                "`rabbitmq-plugins enable rabbitmq_management` and `rabbitmqctl set_user_tags {} management` on \
                 the server; if it is elsewhere, set broker.management_url. Or, by hand: {}. With \
                 broker.management_url = \"none\" this is a warning alone",
                management.user,
                by_hand(&management.virtual_host)
            );
            let finding = Finding::not_examined("management.unreachable", seen);
            (vec![finding.means(POLICIES_UNKNOWN).remedy(remedy)], None)
        }
    }
}

const POLICIES_UNKNOWN: &str = "AMQP does not tell them: a policy that drops or expires messages would go unseen, and so would an \
                      old RabbitMQ";

fn by_hand(virtual_host: &str) -> String {
    format!(
        "`rabbitmqctl list_policies -p '{virtual_host}'` and `rabbitmqctl list_operator_policies -p \
         '{virtual_host}'` show the policies"
    )
}

fn version(overview: &Value) -> Finding {
    let version = overview["rabbitmq_version"].as_str().or(overview["product_version"].as_str());
    let version = version.unwrap_or("of unknown version");
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    let seen = format!("it is RabbitMQ {version}");
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) < MIN_VERSION => Finding::error("broker.too_old", seen)
            .means("its quorum queues lack what careq-sync declares: messages that are given up on could be lost")
            .remedy("upgrade RabbitMQ to 3.10 or newer"),
        _ => Finding::well("broker.version", seen),
    }
}

impl Management {
    /// The API with the user of its URL, or of `broker.url`.
    fn of(config: &Config) -> Option<Self> {
        let address = Address::of(&config.broker).ok()?;
        let set = config.broker.management_url.expose_secret();
        let usual = if address.is_encrypted { ("https", 15671) } else { ("http", 15672) };
        let usual = format!("{}://{}:{}", usual.0, bracketed(&address.host), usual.1);
        let mut base: Url = if set.is_empty() { usual.as_str() } else { set }.parse().ok()?;
        let (mut user, mut password) = (address.user, address.password);
        if !base.username().is_empty() {
            user = decoded(base.username());
            password = decoded(base.password().unwrap_or_default()).into();
        }
        base.set_username("").ok()?;
        base.set_password(None).ok()?;
        let http = http::client().ok()?;
        Some(Self { base, user, password, http, virtual_host: address.virtual_host, date: None })
    }

    fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
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
    pub(crate) async fn get(&self, path: &[&str]) -> Result<Value, String> {
        body(self.send(path).await?).await
    }

    async fn send(&self, path: &[&str]) -> Result<Response, String> {
        let mut url = self.base.clone();
        // Segments are encoded, since a virtual host may be called `/`.
        url.path_segments_mut()
            .map_err(|()| "it is no URL of a server")?
            .pop_if_empty()
            .push("api")
            .extend(path);
        let request = self.http.get(url).basic_auth(&self.user, Some(self.password.expose_secret()));
        let response = request.send().await.map_err(innermost_cause)?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("it does not let the user {} in; the user needs the tag `management`", self.user))
            }
            status => Err(format!("it answers {status}")),
        }
    }
}

async fn body(response: Response) -> Result<Value, String> {
    let text = http::text(response).await.ok_or("its answer broke off")?;
    serde_json::from_str(&text).map_err(|_| "what answers there is no management API of RabbitMQ".to_owned())
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

/// A host for a URL, with brackets around an IPv6 address.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// The percent-decoded user or password of a URL.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
