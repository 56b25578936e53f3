//! Draining by several worker processes, compared with one. A machine with few processors need not show a gain.

use anyhow::Result;

use super::backlog;
use crate::context::Context;
use crate::installation;
use crate::report::line::{Line, Unit};
use crate::statistics::{alternate, map_pairs};

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let drain = async |workers| {
            installation.empty("events, parked_events, patients, doctors, services").await?;
            let events = backlog::publish(installation, 1, context.sizes.smaller_backlog).await?;
            backlog::drain(context, installation, workers, events).await
        };
        let mut lines = Vec::new();
        for workers in [2, 4] {
            let pairs =
                alternate(context.sizes.repeats, async || drain(1).await, async || drain(workers).await)
                    .await?;
            let rates = map_pairs(&pairs, |drained| drained.per_second);
            lines.push(Line::compared(
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
