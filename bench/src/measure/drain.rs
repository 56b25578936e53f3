//! Rate at which one worker process drains a backlog of a clinic in each partition, compared with the same rows written by
//! bare SQL.

use anyhow::{Context as _, Result};

use super::backlog;
use crate::clinics;
use crate::context::Context;
use crate::installation::Installation;
use crate::raw::sql::{self, Rows};
use crate::report::line::{Line, Target, Unit};
use crate::statistics::Pair;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let clinics = clinics::one_in_each_partition(installation.partitions());
    let (mut rates, mut costs, mut rows) = (Vec::new(), Vec::new(), None);
    for _ in 0..context.repeats {
        installation.empty(backlog::TABLES).await?;
        let events = backlog::publish(&installation, &clinics, 1, context.backlog).await?;
        let drained = backlog::drain(&installation, events, &[]).await?;
        if rows.is_none() {
            rows = Some(Rows::read(&installation).await?);
        }
        let baseline = sql::write(&installation, rows.as_ref().context("the rows were read")?).await?;
        rates.push(Pair { value: drained.per_second, baseline });
        costs.push(drained.cpu_us);
    }
    let what = format!("drained by one worker, from its start, of {} events", context.backlog);
    Ok(vec![
        Line::compared(what, Unit::PerSecond, "bare SQL, the same rows", &rates)
            .with(Target::RatioAtLeast(0.45)),
        Line::single("CPU time of the worker, an event", Unit::Microseconds, costs),
    ])
}
