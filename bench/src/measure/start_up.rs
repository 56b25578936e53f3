//! How long a process takes from its start until it says that it is ready.

use anyhow::Result;

use super::acknowledge::ingress;
use super::embedded;
use super::{Bench, backlog};
use crate::installation;
use crate::repeat::Spread;
use crate::report::{Line, Target, Unit};

/// In milliseconds.
const TARGET: f64 = 300.0;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let (mut ingress_ms, mut worker_ms) = (Vec::new(), Vec::new());
        let (mut first_ms, mut again_ms) = (Vec::new(), Vec::new());
        for _ in 0..bench.sizes.starts {
            let ingress = ingress(bench, installation, &[]).await?;
            ingress_ms.push(ingress.started_in.as_secs_f64() * 1_000.0);
            ingress.stop().await?;
            let worker = backlog::worker(bench, installation).await?;
            worker_ms.push(worker.started_in.as_secs_f64() * 1_000.0);
            worker.stop().await?;
            let alone = embedded::start(bench, tempfile::tempdir()?).await?;
            first_ms.push(alone.started_in.as_secs_f64() * 1_000.0);
            let alone = embedded::start(bench, alone.stop().await?).await?;
            again_ms.push(alone.started_in.as_secs_f64() * 1_000.0);
            alone.stop().await?;
        }
        let line = |whose: &str, took_ms: Vec<f64>| {
            let what = format!("ready: {whose}");
            Line::alone(what, Unit::Milliseconds, Spread::of(took_ms)).with(Target::at_most(TARGET))
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
