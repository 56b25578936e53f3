//! One worker's rate with one clinic, whose partition one consumer reads, compared with a clinic in each partition; with the
//! database on this machine and a distant one.

use anyhow::Result;

use super::backlog;
use crate::clinics;
use crate::context::Context;
use crate::distant::{DISTANCE, Distant};
use crate::installation::{Installation, POSTGRESQL_ADDRESS};
use crate::report::line::{Line, Unit};
use crate::statistics::{alternate, map_pairs};

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let distant = Distant::new(POSTGRESQL_ADDRESS).await?;
    let url = installation.database_url_at(distant.address());
    let distant_settings = [("CAREQ_DATABASE_URL", url.as_str())];
    let clinics = clinics::one_in_each_partition(installation.partitions());
    let near = (String::new(), context.smaller_backlog, &distant_settings[..0]);
    let places = [near, (format!(", {DISTANCE}"), context.distant_backlog, &distant_settings[..])];
    let mut lines = Vec::new();
    for (place, events, settings) in places {
        let drain = async |clinics: &[String]| {
            installation.empty(backlog::TABLES).await?;
            let events = backlog::publish(&installation, clinics, 1, events).await?;
            backlog::drain(&installation, events, settings).await
        };
        let pairs = alternate(context.repeats, &clinics[..], &clinics[..1], drain).await?;
        let rates = map_pairs(&pairs, |drained| drained.per_second);
        let what = format!("drained of one clinic{place}");
        lines.push(Line::compared(what, Unit::PerSecond, "a clinic in each partition", &rates));
    }
    Ok(lines)
}
