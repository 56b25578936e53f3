//! Raw limit of an ingress: axum, the signature of the body, the body as JSON, a confirmed publish to a quorum queue, and a
//! response. Without a queue it only responds, which is the limit of the generator.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use careq_simulator::SigningKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::publish;
use crate::installation::RabbitMqChannel;
use crate::process::Process;

/// Log message of a bare server that accepts connections.
const READY: &str = "the bare server takes requests";

const RESPONSE: &str = r#"{"success":true,"message":"accepted"}"#;

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
        Some(queue) => Some((publish::open_channel().await?, queue)),
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
        publish::confirmed(&rabbitmq.channel, queue, &body).await
    };
    match accepted.await {
        Ok(()) => (StatusCode::ACCEPTED, RESPONSE),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}
