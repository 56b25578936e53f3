//! Time from the start of a process until it logs that it is ready.

use anyhow::Result;

use super::acknowledge::ingress;
use super::backlog;
use super::embedded;
use crate::context::Context;
use crate::installation;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::Spread;

/// Target of every start, in milliseconds.
const MAX_START_MS: f64 = 300.0;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let (mut ingress_ms, mut worker_ms) = (Vec::new(), Vec::new());
        let (mut first_ms, mut again_ms) = (Vec::new(), Vec::new());
        for _ in 0..context.sizes.starts {
            let ingress = ingress(context, installation, &[]).await?;
            ingress_ms.push(ingress.started_in.as_secs_f64() * 1_000.0);
            ingress.stop().await?;
            let worker = backlog::worker(context, installation).await?;
            worker_ms.push(worker.started_in.as_secs_f64() * 1_000.0);
            worker.stop().await?;
            let alone = embedded::start(context, tempfile::tempdir()?).await?;
            first_ms.push(alone.started_in.as_secs_f64() * 1_000.0);
            let alone = embedded::start(context, alone.stop().await?).await?;
            again_ms.push(alone.started_in.as_secs_f64() * 1_000.0);
            alone.stop().await?;
        }
        let line = |process: &str, took_ms: Vec<f64>| {
            let what = format!("ready: {process}");
            Line::single(what, Unit::Milliseconds, Spread::of(took_ms)).with(Target::at_most(MAX_START_MS))
        };
        Ok(vec![
            line("ingress", ingress_ms),
            line("worker", worker_ms),
            line("embedded, very first start", first_ms),
            line("embedded", again_ms),
        ])
    })
    .await
}
