//! How quickly one worker process drains a backlog, beside the same rows written by bare SQL.

use anyhow::{Context as _, Result};

use super::{Bench, backlog};
use crate::installation;
use crate::raw::sql::{self, Rows};
use crate::repeat::{Pair, Spread};
use crate::report::{Line, Target, Unit};

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let (mut rates, mut costs, mut rows) = (Vec::new(), Vec::new(), None);
        for _ in 0..bench.sizes.repeats {
            installation.empty("events, parked_events, patients, doctors, services").await?;
            let events = backlog::publish(installation, 1, bench.sizes.backlog).await?;
            let drained = backlog::drain(bench, installation, 1, events).await?;
            if rows.is_none() {
                rows = Some(Rows::read(installation).await?);
            }
            let limit = sql::write(installation, rows.as_ref().context("they were read")?).await?;
            rates.push(Pair { ours: drained.per_second, limit });
            costs.push(drained.cpu_us);
        }
        let what = format!("drained by one worker, from its start, of {} events", bench.sizes.backlog);
        Ok(vec![
            Line::beside(what, Unit::PerSecond, "bare SQL, the same rows", &rates)
                .with(Target::ratio_at_least(0.35)),
            Line::alone("CPU time of the worker, an event", Unit::Microseconds, Spread::of(costs)),
        ])
    })
    .await
}
