//! How many webhooks an ingress acknowledges while nobody works behind it, beside what it cannot do without, and that beside the
//! broker alone.

use anyhow::Result;

use super::Bench;
use crate::installation::{self, Installation};
use crate::load::{self, Load, Requests};
use crate::process::Process;
use crate::raw;
use crate::repeat::{Pair, Spread, figures, in_turns, number};
use crate::report::{Line, Target, Unit};

/// Events that are sent again and again: to an ingress without a worker, they are as good as new.
pub(super) const POOL: u64 = 20_000;

const LIMIT: &str = "bare axum and publish";

/// An answer must not wait for a result that nobody makes.
pub(super) const AT_ONCE: [(&str, &str); 1] = [("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")];

/// A load, and the CPU time that the server used meanwhile.
struct Taken {
    load: Load,
    cpu_us: f64,
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let servers = Servers::start(bench, installation).await?;
        let mut lines = Vec::new();
        for connections in bench.sizes.connections {
            // A signature is good for five minutes.
            let requests = Requests::of(&installation.credentials, 1, POOL)?;
            lines.extend(at(bench, installation, &servers, &requests, *connections).await?);
        }
        servers.stop().await?;
        Ok(lines)
    })
    .await
}

/// An ingress, and its limit.
pub(super) struct Servers {
    pub(super) ours: Process,
    pub(super) bare: Process,
}

impl Servers {
    pub(super) async fn start(bench: &Bench, installation: &Installation) -> Result<Self> {
        let secret = &installation.credentials.signing_secret;
        let bare = raw::http::start(&bench.programs, secret, Some(&installation.live())).await?;
        let ours = ingress(bench, installation, &AT_ONCE).await?;
        Ok(Self { ours, bare })
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.ours.stop().await?;
        // It has nothing to finish, and listens to no signal.
        drop(self.bare);
        Ok(())
    }
}

/// Starts an ingress.
pub(super) async fn ingress(
    bench: &Bench,
    installation: &Installation,
    settings: &[(&str, &str)],
) -> Result<Process> {
    let settings = installation.settings(settings);
    Process::start(&bench.programs.careq_sync, &["ingress"], &settings, "the ingress takes requests").await
}

async fn at(
    bench: &Bench,
    installation: &Installation,
    servers: &Servers,
    requests: &Requests,
    connections: usize,
) -> Result<[Line; 5]> {
    let (times, during) = (bench.sizes.repeats, bench.sizes.sending);
    let take = async |server: &Process| {
        let before_s = server.cpu_s()?;
        let load = load::at_full_speed(&server.address, requests, connections, during).await?;
        let cpu_us = (server.cpu_s()? - before_s) * 1e6 / number(load.answered());
        installation.purge().await?;
        anyhow::Ok(Taken { load, cpu_us })
    };
    let pairs =
        in_turns(times, async || take(&servers.bare).await, async || take(&servers.ours).await).await?;
    let alone = raw::publish::confirmed(installation, connections, during).await?;

    let rates = figures(&pairs, |taken| taken.load.per_second());
    let bare_rates = Spread::of(rates.iter().map(|pair| pair.limit));
    let beside_broker = Pair { ours: bare_rates.median, limit: alone };
    let latency = |quantile| figures(&pairs, move |taken: &Taken| taken.load.latency_ms(quantile));
    let line = |what: &str| format!("{what}, {connections} connections");
    Ok([
        Line::beside(line("acknowledged"), Unit::PerSecond, LIMIT, &rates).with(Target::ratio_at_least(0.80)),
        Line::beside(line("answer, median"), Unit::Milliseconds, LIMIT, &latency(0.5)),
        Line::beside(line("answer, p99"), Unit::Milliseconds, LIMIT, &latency(0.99)),
        Line::beside(
            line("CPU time of an answer"),
            Unit::Microseconds,
            LIMIT,
            &figures(&pairs, |taken| taken.cpu_us),
        ),
        Line::beside(line("(bare axum and publish)"), Unit::PerSecond, "RabbitMQ alone", &[beside_broker]),
    ])
}
