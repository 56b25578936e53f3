//! Latency of responses at fixed rates: the curve of the plot. It ends at the first rate that the ingress cannot keep up with.

use anyhow::Result;

use super::acknowledge::{POOL, Servers};
use crate::context::Context;
use crate::installation;
use crate::load::{self, Requests};
use crate::process::Process;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{alternate, map_pairs};

const LIMIT: &str = "bare axum and publish";

/// Rate per second whose p99 has a target.
const TARGET_RATE: u32 = 1_000;

/// Share of the offered rate below which the latency is that of a growing queue.
const MIN_ACHIEVED_SHARE: f64 = 0.95;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let servers = Servers::start(context, installation).await?;
        let (times, duration) = (context.sizes.repeats, context.sizes.sending);
        let mut lines = Vec::new();
        for rate in context.sizes.rates.iter().copied() {
            // A signature is valid for five minutes.
            let requests = Requests::of(&installation.credentials, 1, POOL)?;
            let take = async |server: &Process| {
                let load = load::at_rate(server.address()?, &requests, rate, duration).await?;
                installation.purge().await?;
                anyhow::Ok(load)
            };
            let pairs =
                alternate(times, async || take(&servers.bare).await, async || take(&servers.ours).await)
                    .await?;
            for (name, quantile) in [("median", 0.5), ("p99", 0.99)] {
                let latencies = map_pairs(&pairs, |load| load.latency_ms(quantile));
                let what = format!("answer at {rate}/s, {name}");
                let line = Line::compared(what, Unit::Milliseconds, LIMIT, &latencies).at(rate, name);
                let has_target = rate == TARGET_RATE && name == "p99";
                lines.push(if has_target { line.with(Target::at_most(10.0)) } else { line });
            }
            if pairs.iter().any(|pair| pair.ours.per_second() < MIN_ACHIEVED_SHARE * f64::from(rate)) {
                break;
            }
        }
        servers.stop().await?;
        Ok(lines)
    })
    .await
}
