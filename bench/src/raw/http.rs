//! Raw limit of an ingress: axum, the signature of the body, the body as JSON, a confirmed publish to a quorum queue, and a
//! response. Without a queue it only responds, which is the limit of the generator.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::arguments::BareServer;
use crate::installation::RabbitMqChannel;
use crate::process::{Process, Programs};

/// Log message of a bare server that accepts connections.
const READY: &str = "the bare server takes requests";

const RESPONSE: &str = r#"{"success":true,"message":"accepted"}"#;

/// Starts a bare server in its own process.
pub(crate) async fn start(programs: &Programs, secret: &str, queue: Option<&str>) -> Result<Process> {
    let mut arguments = vec!["bare", "--secret", secret];
    arguments.extend(queue.iter().flat_map(|queue| ["--queue", *queue]));
    Process::start(&programs.bench, &arguments, &[], READY).await
}

struct Server {
    signing: Hmac<Sha256>,
    publishing: Option<(RabbitMqChannel, String)>,
}

/// Serves until the process is killed.
pub(crate) async fn serve(bare: &BareServer) -> Result<()> {
    let publishing = match &bare.queue {
        Some(queue) => {
            let rabbitmq = RabbitMqChannel::open().await?;
            rabbitmq.channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Some((rabbitmq, queue.clone()))
        }
        None => None,
    };
    let server = Server { signing: Hmac::new_from_slice(bare.secret.as_bytes())?, publishing };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ready = json!({ "fields": { "message": READY, "address": listener.local_addr()?.to_string() } });
    #[expect(clippy::print_stderr, reason = "the bench reads this line of the log")]
    {
        eprintln!("{ready}");
    }
    let routes = Router::new().fallback(respond).with_state(Arc::new(server));
    Ok(axum::serve(listener, routes).await?)
}

async fn respond(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let Some((rabbitmq, queue)) = &server.publishing else { return (StatusCode::ACCEPTED, RESPONSE) };
    let accepted = async {
        server.require_signed(&headers, &body)?;
        let read: Value = serde_json::from_slice(&body)?;
        ensure!(read.is_object(), "the body is not a JSON object");
        publish(&rabbitmq.channel, queue, &body).await
    };
    match accepted.await {
        Ok(()) => (StatusCode::ACCEPTED, RESPONSE),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

impl Server {
    fn require_signed(&self, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        let signature = headers.get("x-careq-signature").map(HeaderValue::as_bytes);
        let signature = signature.and_then(|signature| signature.strip_prefix(b"sha256="));
        let signature = HEXLOWER.decode(signature.context("the request is not signed")?)?;
        Ok(self.signing.clone().chain_update(body).verify_slice(&signature)?)
    }
}

/// Publishes a message as an ingress does: persistent, mandatory, confirmed.
pub(super) async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    #[expect(clippy::disallowed_methods, reason = "this is the raw limit")]
    let publishing = channel.basic_publish("".into(), queue.into(), options, body, properties);
    ensure!(matches!(publishing.await?.await?, Confirmation::Ack(None)), "the message was not confirmed");
    Ok(())
}
