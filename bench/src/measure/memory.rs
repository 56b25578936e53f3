//! The most memory that an ingress has with nobody working behind it, and that a worker has with all of that in front of it.

use anyhow::Result;

use super::acknowledge::{AT_ONCE, POOL, ingress};
use super::{Bench, backlog};
use crate::installation;
use crate::load::{self, Requests};
use crate::repeat::Spread;
use crate::report::{Line, Target, Unit};

const CONNECTIONS: usize = 64;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let ingress = ingress(bench, installation, &AT_ONCE).await?;
        let mut events = 0;
        for seed in 1.. {
            let requests = Requests::of(&installation.credentials, seed, POOL.min(bench.sizes.behind))?;
            events += load::every_one(&ingress.address, &requests, CONNECTIONS).await?.answered();
            if events >= bench.sizes.behind {
                break;
            }
        }
        let ingress_mb = ingress.peak_mb()?;
        ingress.stop().await?;
        let drained = backlog::drain(bench, installation, 1, events).await?;
        let line = |whose: &str, peak_mb, max_mb| {
            let what = format!("peak of the {whose}, {events} events");
            Line::alone(what, Unit::Megabytes, Spread::of([peak_mb])).with(Target::at_most(max_mb))
        };
        Ok(vec![line("ingress", ingress_mb, 64.0), line("worker", drained.peak_mb, 96.0)])
    })
    .await
}
