//! Raw limit of an ingress: axum, the signature of the body, the body as JSON, a confirmed publish to a quorum queue, and a
//! response. Without a queue it only responds, which is the limit of the generator. And the publishing alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use careq_simulator::SigningKey;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::installation::{Installation, RabbitMqChannel};
use crate::process::Process;
use crate::statistics::to_f64;

/// Log message of a bare server that accepts connections.
const READY: &str = "the bare server takes requests";

const RESPONSE: &str = r#"{"success":true,"message":"accepted"}"#;

/// Size of a booking's body, in bytes. The message that an ingress publishes is larger.
const BODY_BYTES: usize = 900;

/// Starts a bare server in its own process.
pub(crate) async fn start(secret: &str, queue: Option<&str>) -> Result<Process> {
    let mut arguments = vec!["bare", "--secret", secret];
    arguments.extend(queue.iter().flat_map(|queue| ["--queue", *queue]));
    Process::start(tempfile::tempdir()?, &std::env::current_exe()?, &arguments, &[], READY).await
}

struct Server {
    signing: SigningKey,
    publishing: Option<(RabbitMqChannel, String)>,
}

/// Serves until the process is killed.
pub(crate) async fn serve(queue: Option<String>, secret: &str) -> Result<()> {
    let publishing = match queue {
        Some(queue) => Some((confirming().await?, queue)),
        None => None,
    };
    let server = Server { signing: SigningKey::new(secret), publishing };
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
        let signature = headers.get("x-careq-signature").context("the request is not signed")?;
        ensure!(*signature == server.signing.sign(&body), "the signature is wrong");
        let read: Value = serde_json::from_slice(&body)?;
        ensure!(read.is_object(), "the body is not a JSON object");
        publish(&rabbitmq.channel, queue, &body).await
    };
    match accepted.await {
        Ok(()) => (StatusCode::ACCEPTED, RESPONSE),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// Number of messages of the size of a webhook that RabbitMQ confirms per second, with a fixed number in flight.
pub(crate) async fn confirmed(
    installation: &Installation,
    in_flight: usize,
    duration: Duration,
) -> Result<f64> {
    let rabbitmq = confirming().await?;
    let (channel, queue, body) = (&rabbitmq.channel, installation.live(), vec![b' '; BODY_BYTES]);
    let (began_at, mut count) = (Instant::now(), 0_u64);
    let mut publishing = FuturesUnordered::new();
    while began_at.elapsed() < duration {
        while publishing.len() < in_flight {
            publishing.push(publish(channel, &queue, &body));
        }
        publishing.next().await.transpose()?;
        count += 1;
    }
    let per_second = to_f64(count) / began_at.elapsed().as_secs_f64();
    while publishing.next().await.transpose()?.is_some() {}
    installation.purge().await?;
    Ok(per_second)
}

/// Opens a channel that confirms messages.
async fn confirming() -> Result<RabbitMqChannel> {
    let rabbitmq = RabbitMqChannel::open().await?;
    rabbitmq.channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(rabbitmq)
}

/// Publishes a message as an ingress does: persistent, mandatory, confirmed.
async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    #[expect(clippy::disallowed_methods, reason = "this is the raw limit")]
    let publishing = channel.basic_publish("".into(), queue.into(), options, body, properties);
    ensure!(matches!(publishing.await?.await?, Confirmation::Ack(None)), "the message was not confirmed");
    Ok(())
}
