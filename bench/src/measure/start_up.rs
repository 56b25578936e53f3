//! Time from the start of a process until it logs that it is ready.

use anyhow::Result;

use super::embedded;
use crate::context::Context;
use crate::installation::Installation;
use crate::report::line::{Line, Target, Unit};

/// Target of every start, in milliseconds.
const MAX_START_MS: f64 = 300.0;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let (mut ingress_ms, mut worker_ms, mut first_ms, mut again_ms) = (vec![], vec![], vec![], vec![]);
    for _ in 0..context.starts {
        let ingress = installation.ingress(&[]).await?;
        ingress_ms.push(ingress.started_in_ms);
        ingress.stop().await?;
        let worker = installation.worker(&[]).await?;
        worker_ms.push(worker.started_in_ms);
        worker.stop().await?;
        let alone = embedded::start(context, tempfile::tempdir()?).await?;
        first_ms.push(alone.started_in_ms);
        let alone = embedded::start(context, alone.stop().await?).await?;
        again_ms.push(alone.started_in_ms);
        alone.stop().await?;
    }
    let line = |process: &str, took_ms: Vec<f64>| {
        let line = Line::single(format!("ready: {process}"), Unit::Milliseconds, took_ms);
        line.with(Target::AtMost(MAX_START_MS))
    };
    Ok(vec![
        line("ingress", ingress_ms),
        line("worker", worker_ms),
        line("embedded, very first start", first_ms),
        line("embedded", again_ms),
    ])
}
