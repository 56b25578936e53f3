//! The check at the end: every acknowledged event has exactly one final result, and the records are those that the
//! bookings imply. What it expects must never come from the code that it checks.

mod expected;

mod events;

mod records;

mod tables;

mod columns;

mod batches;

use std::time::{Duration, Instant};

use expected::Expected;

use crate::Store;
use crate::findings::Findings;
use crate::run::Run;
use crate::send::{Data, NoAnswer, Played, Proofs};

/// A status page that says "not yet" is read again after this time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Times that a page may fail to be read; each has waited for as long as the answer asked.
const MAX_UNREAD: u32 = 100;

/// What was looked at, and found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) events: u64,
    pub(crate) records: u64,
    pub(crate) rows: Option<u64>,
    /// How long after the last answer the last event's page was read.
    pub(crate) settled_after: Duration,
    pub(crate) findings: Findings,
}

/// Checks everything that was played; the tables, too, where there is a store to look into.
pub(crate) async fn everything(
    run: &Run,
    played: &Played,
    store: Option<&Store>,
) -> Result<Checked, sea_orm::DbErr> {
    let mut checked = Checked::default();
    let began_at = Instant::now();
    let deadline = began_at + run.plan.settle_within;
    events::all(run, played, deadline, &mut checked).await;
    checked.settled_after = began_at.elapsed();
    if played.undelivered > 0 {
        // Whether an event that nobody acknowledged was stored is anybody's guess.
        return Ok(checked);
    }
    let expected = expected::fold(&run.world);
    records::all(run, &expected, deadline, &mut checked).await;
    if let Some(store) = store {
        let seen = tables(run, &expected, played, store, deadline).await?;
        checked.rows = Some(seen.rows);
        checked.findings.add(seen.findings);
    }
    Ok(checked)
}

/// Read until it works, or time is up: a connection may have been lost while the load was on.
async fn tables(
    run: &Run,
    expected: &Expected,
    played: &Played,
    store: &Store,
    deadline: Instant,
) -> Result<tables::Seen, sea_orm::DbErr> {
    loop {
        match tables::all(&run.world, expected, played, store).await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
            seen => return seen,
        }
    }
}

/// A status page, read until it is as it should be, or time is up: then as it is. A page that cannot be read has a
/// patience of its own, which a rate limit that is far too low would use up.
async fn page(
    run: &Run,
    clinic: &Proofs,
    path: &str,
    deadline: Instant,
    is_right: impl Fn(Option<&Data>) -> bool,
) -> Result<Option<Data>, NoAnswer> {
    let mut unread = 0;
    loop {
        match run.caller.page(clinic, path).await {
            Ok(page) if is_right(page.as_ref()) || Instant::now() > deadline => return Ok(page),
            Ok(_) => {}
            Err(NoAnswer) if unread == MAX_UNREAD => return Err(NoAnswer),
            Err(NoAnswer) => unread += 1,
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}
