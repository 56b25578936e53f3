//! Latency of responses at fixed rates. It ends at the first rate that the ingress cannot keep up with.

use anyhow::Result;

use super::acknowledge::{BASELINE, POOL, servers};
use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, Requests};
use crate::process::Process;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{alternate, map_pairs};

/// Rate per second whose p99 has a target.
const TARGET_RATE: u32 = 1_000;

/// Share of the offered rate below which the latency is that of a growing queue.
const MIN_ACHIEVED_SHARE: f64 = 0.95;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let [bare, ours] = servers(&installation).await?;
    let mut lines = Vec::new();
    for rate in context.rates.iter().copied() {
        // A signature is valid for five minutes.
        let requests = Requests::generate(&installation.credentials, 1, POOL)?;
        let take = async |server: &Process| {
            let load = load::at_rate(server.address()?, &requests, rate, context.sending).await?;
            installation.purge().await?;
            Ok(load)
        };
        let pairs = alternate(context.repeats, &bare, &ours, take).await?;
        for (name, quantile) in [("median", 0.5), ("p99", 0.99)] {
            let latencies = map_pairs(&pairs, |load| load.latency_ms(quantile));
            let what = format!("answer at {rate}/s, {name}");
            let line = Line::compared(what, Unit::Milliseconds, BASELINE, &latencies);
            let has_target = rate == TARGET_RATE && name == "p99";
            lines.push(if has_target { line.with(Target::AtMost(10.0)) } else { line });
        }
        if pairs.iter().any(|pair| pair.value.per_second() < MIN_ACHIEVED_SHARE * f64::from(rate)) {
            break;
        }
    }
    ours.stop().await?;
    Ok(lines)
}
