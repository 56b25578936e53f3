//! Latency of responses with results: through ingress, broker, worker, database and back.

use anyhow::Result;

use super::acknowledge::ingress;
use super::backlog;
use crate::context::Context;
use crate::installation;
use crate::load::{self, LoadResult, Requests};
use crate::report::line::{Line, Target, Unit};
use crate::statistics::Spread;

/// Requests per second.
pub(super) const RATE_PER_SECOND: u32 = 200;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let ingress = ingress(context, installation, &[]).await?;
        let worker = backlog::worker(context, installation).await?;
        let events = u64::from(RATE_PER_SECOND) * context.sizes.answering.as_secs();
        let mut loads = Vec::new();
        for seed in (1..).take(context.sizes.repeats) {
            let requests = Requests::of(&installation.credentials, seed, events)?;
            loads.push(
                load::at_rate(ingress.address()?, &requests, RATE_PER_SECOND, context.sizes.answering)
                    .await?,
            );
        }
        ingress.stop().await?;
        worker.stop().await?;
        Ok(lines(&loads).into())
    })
    .await
}

/// Lines about the latency of such responses.
pub(super) fn lines(loads: &[LoadResult]) -> [Line; 3] {
    let latency = |quantile| Spread::of(loads.iter().map(|load| load.latency_ms(quantile)));
    let later = Spread::of(loads.iter().map(LoadResult::without_result_percent));
    [
        Line::single("answer with its result at 200/s, median", Unit::Milliseconds, latency(0.5))
            .with(Target::at_most(15.0)),
        Line::single("answer with its result at 200/s, p99", Unit::Milliseconds, latency(0.99))
            .with(Target::at_most(60.0)),
        Line::single("answers without their result (202)", Unit::Percent, later),
    ]
}
