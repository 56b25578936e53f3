//! Draining by one, two and four worker processes, with the database on this machine and a distant one. The backlog has a
//! clinic in each partition, so that the partitions are equal.
//!
//! A rate counts from when the workers have shared the partitions: the first worker has all of them until it knows the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::backlog::{self, POLL_INTERVAL};
use crate::clinics;
use crate::context::Context;
use crate::distant::{DISTANCE, Distant};
use crate::installation::{Installation, POSTGRESQL_ADDRESS};
use crate::print;
use crate::process::Process;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, to_f64};

/// Timeout until the workers have shared the partitions. They read their rows every two seconds, and a new worker counts when
/// it has renewed its row.
const SHARE_TIMEOUT: Duration = Duration::from_secs(30);

/// The workers of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fleet {
    is_distant: bool,
    workers: usize,
}

/// Rates of each fleet, one for each repetition.
type Rates = BTreeMap<Fleet, Vec<f64>>;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let distant = Distant::new(POSTGRESQL_ADDRESS).await?;
    let url = installation.database_url_at(distant.address());
    let distant_settings = [("CAREQ_DATABASE_URL", url.as_str())];
    let clinics = clinics::one_in_each_partition(installation.partitions());
    let mut fleets = Fleet::ALL;
    let mut rates = Rates::new();
    for _ in 0..context.repeats {
        for fleet in fleets {
            installation.empty(backlog::TABLES).await?;
            let settings: &[(&str, &str)] = if fleet.is_distant { &distant_settings } else { &[] };
            let events = if fleet.is_distant { context.distant_backlog } else { context.shared_backlog };
            let events = backlog::publish(&installation, &clinics, 1, events).await?;
            let rate = drain(&installation, fleet.workers, settings, events).await?;
            rates.entry(fleet).or_default().push(rate);
        }
        // A change of the machine's speed affects all alike.
        fleets.reverse();
    }
    Ok(rates.keys().map(|fleet| fleet.line(&rates)).collect())
}

/// Number of events per second that so many workers drain.
async fn drain(
    installation: &Installation,
    count: usize,
    settings: &[(&str, &str)],
    events: u64,
) -> Result<f64> {
    let began_at = Instant::now();
    let mut workers = Vec::with_capacity(count);
    for _ in 0..count {
        workers.push(installation.worker(settings).await?);
    }
    share(&workers, installation.partitions().get().into()).await?;
    let (shared_at, before) = (Instant::now(), backlog::count_settled(&workers).await?);
    backlog::settled(&workers, events).await?;
    let ended_at = Instant::now();
    for worker in workers {
        worker.stop().await?;
    }
    let rest = events.saturating_sub(before);
    if rest < events / 4 {
        print::warning(
            "a backlog was almost drained before its workers had shared it; its rate counts from their start",
        );
        return Ok(to_f64(events) / (ended_at - began_at).as_secs_f64());
    }
    Ok(to_f64(rest) / (ended_at - shared_at).as_secs_f64())
}

/// Waits until the workers have the partitions in equal parts.
async fn share(workers: &[Process], partitions: u64) -> Result<()> {
    let began_at = Instant::now();
    let part = partitions.div_ceil(u64::try_from(workers.len())?);
    loop {
        let mut assigned = Vec::new();
        for worker in workers {
            assigned.push(worker.assigned_partitions().await?);
        }
        if assigned.iter().sum::<u64>() == partitions && assigned.iter().all(|one| *one <= part) {
            return Ok(());
        }
        ensure!(
            began_at.elapsed() < SHARE_TIMEOUT,
            "the workers have {assigned:?} of {partitions} partitions after {SHARE_TIMEOUT:?}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

impl Fleet {
    const ALL: [Self; 6] = [
        Self { is_distant: false, workers: 1 },
        Self { is_distant: false, workers: 2 },
        Self { is_distant: false, workers: 4 },
        Self { is_distant: true, workers: 1 },
        Self { is_distant: true, workers: 2 },
        Self { is_distant: true, workers: 4 },
    ];

    /// The line of the fleet; several workers are compared with one.
    fn line(self, rates: &Rates) -> Line {
        let (own, one) = (&rates[&self], &rates[&Self { workers: 1, ..self }]);
        let workers = if self.workers == 1 { "worker" } else { "workers" };
        let place = if self.is_distant { format!(", {DISTANCE}") } else { String::new() };
        let what = format!("drained by {} {workers}{place}", self.workers);
        let Some(target) = self.min_ratio() else {
            return Line::single(what, Unit::PerSecond, own.iter().copied());
        };
        let pairs = own.iter().zip(one).map(|(value, baseline)| Pair { value: *value, baseline: *baseline });
        let pairs: Vec<_> = pairs.collect();
        Line::compared(what, Unit::PerSecond, "one worker", &pairs).with(Target::RatioAtLeast(target))
    }

    /// Target of the ratio to one worker, on two processors.
    const fn min_ratio(self) -> Option<f64> {
        match (self.is_distant, self.workers) {
            (_, ..=1) => None,
            (false, 2) => Some(1.3),
            (false, _) => Some(1.2),
            (true, 2) => Some(1.6),
            (true, _) => Some(2.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_workers_are_compared_with_one_at_the_same_distance() {
        let rate = |fleet: Fleet| to_f64(fleet.workers) * if fleet.is_distant { 10.0 } else { 100.0 };
        let rates: Rates = Fleet::ALL.into_iter().map(|fleet| (fleet, vec![rate(fleet)])).collect();
        for fleet in Fleet::ALL {
            let ratio = fleet.line(&rates).baseline.map(|baseline| baseline.ratio.median);
            let expected = (fleet.workers > 1).then_some(to_f64(fleet.workers));
            assert_eq!(ratio.map(f64::to_bits), expected.map(f64::to_bits), "{fleet:?}");
        }
    }
}
