//! Peak memory of an ingress without a worker, and of a worker that drains the resulting backlog.

use anyhow::Result;

use super::acknowledge::{NO_RESULTS, POOL};
use super::backlog;
use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, Requests};
use crate::report::line::{Line, Target, Unit};

const CONNECTIONS: usize = 64;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let ingress = installation.ingress(&NO_RESULTS).await?;
    let mut events = 0;
    for seed in 1.. {
        let requests = Requests::generate(&installation.credentials, seed, POOL.min(context.memory_events))?;
        events += load::each_once(ingress.address()?, &requests, CONNECTIONS).await?.answered();
        if events >= context.memory_events {
            break;
        }
    }
    let ingress_mb = ingress.peak_mb()?;
    ingress.stop().await?;
    let worker_mb = backlog::drain(&installation, events, &[]).await?.peak_mb;
    let line = |process: &str, peak_mb, max_mb| {
        let what = format!("peak of the {process}, {events} events");
        Line::single(what, Unit::Megabytes, [peak_mb]).with(Target::AtMost(max_mb))
    };
    Ok(vec![line("ingress", ingress_mb, 64.0), line("worker", worker_mb, 96.0)])
}
