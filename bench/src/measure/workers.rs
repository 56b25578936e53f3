//! Draining by several worker processes, compared with one. A machine with few processors need not show a gain.

use anyhow::Result;

use super::backlog;
use crate::context::Context;
use crate::installation::Installation;
use crate::report::line::{Line, Unit};
use crate::statistics::{alternate, map_pairs};

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let mut lines = Vec::new();
    for workers in [2, 4] {
        let drain = async |workers| {
            installation.empty("events, parked_events, patients, doctors, services").await?;
            let events = backlog::publish(&installation, 1, context.smaller_backlog).await?;
            backlog::drain(&installation, workers, events).await
        };
        let pairs = alternate(context.repeats, 1, workers, drain).await?;
        let rates = map_pairs(&pairs, |drained| drained.per_second);
        let what = format!("drained by {workers} workers");
        lines.push(Line::compared(what, Unit::PerSecond, "one worker", &rates));
    }
    Ok(lines)
}
