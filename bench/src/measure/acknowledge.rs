//! Rate of webhooks that an ingress without a worker acknowledges, compared with a bare axum server. The bare server is compared
//! with publishing alone.

use anyhow::Result;

use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, Requests};
use crate::process::Process;
use crate::raw;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, Spread, alternate, map_pairs, to_f64};

/// Distinct events, which are sent repeatedly. An ingress without a worker cannot tell duplicates from new events.
pub(super) const POOL: u64 = 20_000;

/// Makes the ingress respond without waiting for results, since no worker produces any.
pub(super) const NO_RESULTS: [(&str, &str); 1] = [("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")];

/// Name of the bare server in the report.
pub(super) const BASELINE: &str = "bare axum and publish";

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let [bare, ours] = servers(&installation).await?;
    let mut lines = Vec::new();
    for connections in context.connections.iter().copied() {
        // A signature is valid for five minutes.
        let requests = Requests::generate(&installation.credentials, 1, POOL)?;
        let take = async |server: &Process| {
            let before_s = server.cpu_s()?;
            let load =
                load::at_full_speed(server.address()?, &requests, connections, context.sending).await?;
            let cpu_us = (server.cpu_s()? - before_s) * 1e6 / to_f64(load.answered());
            installation.purge().await?;
            Ok((load, cpu_us))
        };
        let pairs = alternate(context.repeats, &bare, &ours, take).await?;
        // Measured once, after the pairs.
        let published = raw::publish::per_second(&installation, connections, context.sending).await?;

        let name = |what: &str| format!("{what}, {connections} connections");
        let line = |what, unit, pairs: &[_]| Line::compared(name(what), unit, BASELINE, pairs);
        let rates = map_pairs(&pairs, |(load, _)| load.per_second());
        let bare_rate = Spread::from_values(rates.iter().map(|pair| pair.baseline)).median;
        let latency = |quantile| map_pairs(&pairs, |(load, _)| load.latency_ms(quantile));
        let cpu = map_pairs(&pairs, |(_, cpu_us)| *cpu_us);
        let bare_pair = [Pair { value: bare_rate, baseline: published }];
        lines.extend([
            line("acknowledged", Unit::PerSecond, &rates).with(Target::RatioAtLeast(0.80)),
            line("answer, median", Unit::Milliseconds, &latency(0.5)),
            line("answer, p99", Unit::Milliseconds, &latency(0.99)),
            line("CPU time of an answer", Unit::Microseconds, &cpu),
            Line::compared(name(&format!("({BASELINE})")), Unit::PerSecond, "RabbitMQ alone", &bare_pair),
        ]);
    }
    ours.stop().await?;
    Ok(lines)
}

/// Starts a bare server and an ingress. The bare server handles no signal and has nothing to finish, so it is killed when it is
/// dropped.
pub(super) async fn servers(installation: &Installation) -> Result<[Process; 2]> {
    let secret = &installation.credentials.signing_secret;
    let bare = raw::http::start(secret, Some(&installation.live_queue())).await?;
    Ok([bare, installation.ingress(&NO_RESULTS).await?])
}
