//! How long an answer takes that has its result: through ingress, broker, worker, database and back.

use anyhow::Result;

use super::acknowledge::ingress;
use super::{Bench, backlog};
use crate::installation;
use crate::load::{self, Load, Requests};
use crate::repeat::Spread;
use crate::report::{Line, Target, Unit};

/// Requests per second.
pub(super) const RATE: u32 = 200;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let ingress = ingress(bench, installation, &[]).await?;
        let worker = backlog::worker(bench, installation).await?;
        let events = u64::from(RATE) * bench.sizes.answering.as_secs();
        let mut loads = Vec::new();
        for seed in (1..).take(bench.sizes.repeats) {
            let requests = Requests::of(&installation.credentials, seed, events)?;
            loads.push(load::at_rate(&ingress.address, &requests, RATE, bench.sizes.answering).await?);
        }
        ingress.stop().await?;
        worker.stop().await?;
        Ok(lines(&loads).into())
    })
    .await
}

/// What is told of such answers.
pub(super) fn lines(loads: &[Load]) -> [Line; 3] {
    let latency = |quantile| Spread::of(loads.iter().map(|load| load.latency_ms(quantile)));
    let later = Spread::of(loads.iter().map(Load::later_percent));
    [
        Line::alone("answer with its result at 200/s, median", Unit::Milliseconds, latency(0.5))
            .with(Target::at_most(15.0)),
        Line::alone("answer with its result at 200/s, p99", Unit::Milliseconds, latency(0.99))
            .with(Target::at_most(60.0)),
        Line::alone("answers without their result (202)", Unit::Percent, later),
    ]
}
