//! Webhooks that an ingress acknowledges per second without a worker, compared with a bare server, and that with the broker
//! alone.

use anyhow::Result;

use crate::context::Context;
use crate::installation::{self, Installation};
use crate::load::{self, LoadResult, Requests};
use crate::process::Process;
use crate::raw;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, Spread, alternate, map_pairs, to_f64};

/// Distinct events, which are sent repeatedly. An ingress without a worker cannot tell duplicates from new events.
pub(super) const POOL: u64 = 20_000;

const LIMIT: &str = "bare axum and publish";

/// Makes the ingress respond without waiting for results, since no worker produces any.
pub(super) const NO_RESULTS: [(&str, &str); 1] = [("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")];

/// A load, and the CPU time that the server used for each response.
struct Measured {
    load: LoadResult,
    cpu_us: f64,
}

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let servers = Servers::start(context, installation).await?;
        let mut lines = Vec::new();
        for connections in context.sizes.connections {
            // A signature is valid for five minutes.
            let requests = Requests::of(&installation.credentials, 1, POOL)?;
            lines.extend(measure_at(context, installation, &servers, &requests, *connections).await?);
        }
        servers.stop().await?;
        Ok(lines)
    })
    .await
}

/// An ingress, and a bare server as its limit.
pub(super) struct Servers {
    pub(super) ours: Process,
    pub(super) bare: Process,
}

impl Servers {
    pub(super) async fn start(context: &Context, installation: &Installation) -> Result<Self> {
        let secret = &installation.credentials.signing_secret;
        let bare = raw::http::start(&context.programs, secret, Some(&installation.live())).await?;
        let ours = ingress(context, installation, &NO_RESULTS).await?;
        Ok(Self { ours, bare })
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.ours.stop().await?;
        // The bare server handles no signal and has nothing to finish, so it is killed.
        drop(self.bare);
        Ok(())
    }
}

/// Starts an ingress.
pub(super) async fn ingress(
    context: &Context,
    installation: &Installation,
    settings: &[(&str, &str)],
) -> Result<Process> {
    let settings = installation.settings(settings);
    Process::start(&context.programs.careq_sync, &["ingress"], &settings, "the ingress takes requests").await
}

async fn measure_at(
    context: &Context,
    installation: &Installation,
    servers: &Servers,
    requests: &Requests,
    connections: usize,
) -> Result<[Line; 5]> {
    let (times, duration) = (context.sizes.repeats, context.sizes.sending);
    let take = async |server: &Process| {
        let before_s = server.cpu_s()?;
        let load = load::at_full_speed(server.address()?, requests, connections, duration).await?;
        let cpu_us = (server.cpu_s()? - before_s) * 1e6 / to_f64(load.answered());
        installation.purge().await?;
        anyhow::Ok(Measured { load, cpu_us })
    };
    let pairs =
        alternate(times, async || take(&servers.bare).await, async || take(&servers.ours).await).await?;
    let alone = raw::publish::confirmed(installation, connections, duration).await?;

    let rates = map_pairs(&pairs, |measured| measured.load.per_second());
    let bare_rates = Spread::of(rates.iter().map(|pair| pair.limit));
    let beside_broker = Pair { ours: bare_rates.median, limit: alone };
    let latency = |quantile| map_pairs(&pairs, move |measured: &Measured| measured.load.latency_ms(quantile));
    let line = |what: &str| format!("{what}, {connections} connections");
    Ok([
        Line::compared(line("acknowledged"), Unit::PerSecond, LIMIT, &rates)
            .with(Target::ratio_at_least(0.80)),
        Line::compared(line("answer, median"), Unit::Milliseconds, LIMIT, &latency(0.5)),
        Line::compared(line("answer, p99"), Unit::Milliseconds, LIMIT, &latency(0.99)),
        Line::compared(
            line("CPU time of an answer"),
            Unit::Microseconds,
            LIMIT,
            &map_pairs(&pairs, |measured| measured.cpu_us),
        ),
        Line::compared(line("(bare axum and publish)"), Unit::PerSecond, "RabbitMQ alone", &[beside_broker]),
    ])
}
