//! `careq-sync healthcheck`: queries the operations port of the process with the same settings, for health checks of containers. A
//! missing response is a failure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use careq_shared::config::Config;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::arguments::program::Healthcheck;
use crate::environment::print;

pub(crate) async fn run(config: &Config, check: Healthcheck) -> Result<()> {
    if config.operations.listen.port() == 0 {
        bail!(
            "operations.listen (CAREQ_OPERATIONS_LISTEN) has the port 0, which is another port at each start; set a port, also for \
             the process"
        );
    }
    let address = from_here(config.operations.listen);
    let (path, word) = if check.live { ("/livez", "alive") } else { ("/readyz", "ready") };
    let answer = tokio::time::timeout(check.within, request(address, path)).await.with_context(|| {
        format!("the process at {address} gave no answer within {}", humantime::format_duration(check.within))
    })?;
    let status = answer.with_context(|| {
        format!("no process answers at {address}. Check that it runs, and with the same operations.listen (CAREQ_OPERATIONS_LISTEN)")
    })?;
    match status {
        StatusCode::OK => print(&format!("The process at {address} is {word}.")),
        StatusCode::SERVICE_UNAVAILABLE => bail!(
            "the process at {address} is not ready: it has no RabbitMQ or, as an ingress, has not yet read the clinics from the \
             database; its log says which"
        ),
        other => bail!("the listener on {address} is no operations port: it answers {path} with {other}"),
    }
    Ok(())
}

/// The address at which a listener is reached. A listener on all addresses is reached on the loopback address.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn request(address: SocketAddr, path: &str) -> Result<StatusCode> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let http_request = Request::get(path).header(HOST, address.to_string()).body(Body::empty())?;
    tokio::select! {
        answer = sender.send_request(http_request) => Ok(answer?.status()),
        ended = connection => bail!("the connection ended without an answer: {ended:?}"),
    }
}
