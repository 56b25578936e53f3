//! Whether more worker processes drain a backlog more quickly, which a machine with few processors need not show.

use anyhow::Result;

use super::{Bench, backlog};
use crate::installation;
use crate::repeat::{figures, in_turns};
use crate::report::{Line, Unit};

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let drain = async |workers| {
            installation.empty("events, parked_events, patients, doctors, services").await?;
            let events = backlog::publish(installation, 1, bench.sizes.smaller_backlog).await?;
            backlog::drain(bench, installation, workers, events).await
        };
        let mut lines = Vec::new();
        for workers in [2, 4] {
            let pairs =
                in_turns(bench.sizes.repeats, async || drain(1).await, async || drain(workers).await).await?;
            let rates = figures(&pairs, |drained| drained.per_second);
            lines.push(Line::beside(
                format!("drained by {workers} workers"),
                Unit::PerSecond,
                "one worker",
                &rates,
            ));
        }
        Ok(lines)
    })
    .await
}
