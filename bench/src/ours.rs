//! What careq-sync does on the same servers. Load goes to this process's own listener, is counted, and ends by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use careq_ingress::{Ingress, Parts};
use careq_shared::broker::{Broker as _, Queue};
use careq_shared::clock;
use careq_shared::entities::event;
use careq_shared::event::{Event, Origin};
use careq_shared::event_key::EventKey;
use careq_shared::message::{self, Content, Message};
use careq_shared::records;
use careq_worker::{Settings, Worker};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::installation::{Installation, TOKEN};
use crate::raw::rate;
use crate::{KIND, patient};

/// Webhooks per second that the ingress acknowledges over so many connections, with nobody working behind it.
pub(crate) async fn acknowledge(
    installation: &Installation,
    count: usize,
    connections: usize,
) -> Result<f64> {
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let parts = Parts {
        settings: installation.config.ingress.clone(),
        publish_timeout: installation.config.broker.publish_timeout(),
        broker: installation.broker.clone(),
        database: installation.database.clone(),
        seal: Arc::clone(&installation.seal),
    };
    let ingress = Ingress::start(parts, &shutdown);
    ingress.clinics_are_known().await;
    let serving = tokio::spawn(careq_ingress::run(listener, ingress, shutdown.clone()));

    let began = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|first| {
            let numbers = (first..count).step_by(connections);
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(address).await?;
                for number in numbers {
                    send(&mut connection, number).await?;
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    let rate = rate(count, began);
    shutdown.cancel();
    serving.await?;
    drain_all(installation, count).await?;
    Ok(rate)
}

async fn send(connection: &mut TcpStream, number: usize) -> Result<()> {
    let body = patient(number).to_string();
    let length = body.len();
    let request = format!(
        "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1_024);
    while !is_complete(&answer) {
        ensure!(connection.read_buf(&mut answer).await? > 0, "the ingress closed the connection");
    }
    ensure!(answer.starts_with(b"HTTP/1.1 202"), "not acknowledged: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// Events per second that one worker process stores from a backlog.
pub(crate) async fn drain(installation: &Installation, count: usize) -> Result<f64> {
    let first = usize::try_from(stored(installation).await?)?;
    let key = EventKey::new([1; 32]);
    for number in first..first + count {
        let body = patient(number);
        let identified =
            body.as_object().and_then(|body| records::read(KIND, body).ok()).context("a valid patient")?;
        let canonical_body = &body.to_string();
        let origin =
            Origin { event_key: &key, idempotency_key: None, canonical_body, accepted_at: clock::now() };
        let content = Content::Event(Box::new(Event::accept(identified, origin)));
        let message = message::encode(&Message { reply_to: None, content })?;
        installation.broker.publish(Queue::Live, message.into()).await?;
    }
    let began = Instant::now();
    drain_all(installation, first + count).await?;
    Ok(rate(count, began))
}

/// Runs a worker until so many events are in the ledger.
async fn drain_all(installation: &Installation, until: usize) -> Result<()> {
    let shutdown = CancellationToken::new();
    let settings = Settings::from(&installation.config);
    let (database, broker) = (installation.database.clone(), installation.broker.clone());
    let worker = Worker::new(database, broker, Arc::clone(&installation.seal), settings);
    let working = tokio::spawn(worker.run(shutdown.clone()));
    while stored(installation).await? < u64::try_from(until)? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown.cancel();
    working.await?;
    Ok(())
}

async fn stored(installation: &Installation) -> Result<u64> {
    Ok(event::Entity::find().count(&installation.database).await?)
}
