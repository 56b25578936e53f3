//! Peak memory of an ingress without a worker, and of a worker that drains the resulting backlog.

use anyhow::Result;

use super::acknowledge::{NO_RESULTS, POOL, ingress};
use super::backlog;
use crate::context::Context;
use crate::installation;
use crate::load::{self, Requests};
use crate::report::line::{Line, Target, Unit};
use crate::statistics::Spread;

const CONNECTIONS: usize = 64;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let ingress = ingress(context, installation, &NO_RESULTS).await?;
        let mut events = 0;
        for seed in 1.. {
            let requests =
                Requests::of(&installation.credentials, seed, POOL.min(context.sizes.memory_events))?;
            events += load::each_once(ingress.address()?, &requests, CONNECTIONS).await?.answered();
            if events >= context.sizes.memory_events {
                break;
            }
        }
        let ingress_mb = ingress.peak_mb()?;
        ingress.stop().await?;
        let drained = backlog::drain(context, installation, 1, events).await?;
        let line = |process: &str, peak_mb, max_mb| {
            let what = format!("peak of the {process}, {events} events");
            Line::single(what, Unit::Megabytes, Spread::of([peak_mb])).with(Target::at_most(max_mb))
        };
        Ok(vec![line("ingress", ingress_mb, 64.0), line("worker", drained.peak_mb, 96.0)])
    })
    .await
}
