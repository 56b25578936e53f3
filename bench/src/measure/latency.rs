//! How long an answer takes at a rate, whether answers come or not: the curve of the plot. It ends where either no longer keeps up.

use anyhow::Result;

use super::Bench;
use super::acknowledge::{POOL, Servers};
use crate::installation;
use crate::load::{self, Requests};
use crate::process::Process;
use crate::repeat::{figures, in_turns};
use crate::report::{Line, Target, Unit};

const LIMIT: &str = "bare axum and publish";

/// The rate whose p99 is a target.
const WATCHED: u32 = 1_000;

/// Below this share of what was offered, the rest of a latency is a queue that grows.
const KEEPS_UP: f64 = 0.95;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let servers = Servers::start(bench, installation).await?;
        let (times, during) = (bench.sizes.repeats, bench.sizes.sending);
        let mut lines = Vec::new();
        for rate in bench.sizes.rates.iter().copied() {
            // A signature is good for five minutes.
            let requests = Requests::of(&installation.credentials, 1, POOL)?;
            let take = async |server: &Process| {
                let load = load::at_rate(&server.address, &requests, rate, during).await?;
                installation.purge().await?;
                anyhow::Ok(load)
            };
            let pairs =
                in_turns(times, async || take(&servers.bare).await, async || take(&servers.ours).await)
                    .await?;
            for (word, quantile) in [("median", 0.5), ("p99", 0.99)] {
                let latencies = figures(&pairs, |load| load.latency_ms(quantile));
                let what = format!("answer at {rate}/s, {word}");
                let line = Line::beside(what, Unit::Milliseconds, LIMIT, &latencies).at(rate, word);
                let is_watched = rate == WATCHED && word == "p99";
                lines.push(if is_watched { line.with(Target::at_most(10.0)) } else { line });
            }
            if pairs.iter().any(|pair| pair.ours.per_second() < KEEPS_UP * f64::from(rate)) {
                break;
            }
        }
        servers.stop().await?;
        Ok(lines)
    })
    .await
}
