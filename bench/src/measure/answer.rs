//! Latency of responses with results: through ingress, broker, worker, database and back.

use anyhow::Result;

use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, Credentials, LoadResult, Requests};
use crate::process::Process;
use crate::report::line::{Line, Target, Unit};

/// Requests per second.
const RATE: u32 = 200;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let (ingress, worker) = (installation.ingress(&[]).await?, installation.worker(&[]).await?);
    let mut loads = Vec::new();
    for seed in (1..).take(context.repeats) {
        loads.push(load(context, &ingress, &installation.credentials, seed).await?);
    }
    ingress.stop().await?;
    worker.stop().await?;
    Ok(lines(&loads).into())
}

/// Sends events at the rate.
pub(super) async fn load(
    context: &Context,
    ingress: &Process,
    credentials: &Credentials,
    seed: u64,
) -> Result<LoadResult> {
    let requests = Requests::generate(credentials, seed, u64::from(RATE) * context.answering.as_secs())?;
    load::at_rate(ingress.address()?, &requests, RATE, context.answering).await
}

/// Lines about the latency of such responses.
pub(super) fn lines(loads: &[LoadResult]) -> [Line; 3] {
    let latency = |name, quantile| {
        let what = format!("answer with its result at {RATE}/s, {name}");
        Line::single(what, Unit::Milliseconds, loads.iter().map(|load| load.latency_ms(quantile)))
    };
    let later = loads.iter().map(LoadResult::without_result_percent);
    [
        latency("median", 0.5).with(Target::AtMost(15.0)),
        latency("p99", 0.99).with(Target::AtMost(60.0)),
        Line::single("answers without their result (202)", Unit::Percent, later),
    ]
}
