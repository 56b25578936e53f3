//! The check after sending: every acknowledged event has exactly one final result, and the records are those that the bookings
//! imply. The expectation is computed without the code of the installation.

mod expected;

pub(crate) mod checked;

mod status_page;

mod events;

mod records;

mod columns;

mod batches;

mod tables;

use std::time::Instant;

use checked::Checked;
use expected::Expected;
use sea_orm::DbErr;

use crate::run::Run;
use crate::send::Sent;
use crate::store::Store;

/// Checks all events and records by their status pages. With a store, the tables are checked too.
///
/// # Errors
/// The tables cannot be read.
pub(crate) async fn check_all(run: &Run, sent: &Sent, store: Option<&Store>) -> Result<Checked, DbErr> {
    let mut checked = Checked::default();
    let began_at = Instant::now();
    let deadline = began_at + run.plan.settle_within;
    events::check(run, sent, deadline, &mut checked).await;
    checked.settled_after = began_at.elapsed();
    if sent.undelivered > 0 {
        // An event without an acknowledgement may or may not be stored, so no state is expected.
        return Ok(checked);
    }
    let expected = Expected::of(&run.world);
    records::check(run, &expected, deadline, &mut checked).await;
    if let Some(store) = store {
        let tables = check_tables(run, &expected, sent, store, deadline).await?;
        checked.rows = Some(tables.rows);
        checked.findings.add(tables.findings);
    }
    Ok(checked)
}

/// Retries until the deadline: the load may have broken a connection.
async fn check_tables(
    run: &Run,
    expected: &Expected,
    sent: &Sent,
    store: &Store,
    deadline: Instant,
) -> Result<tables::TablesChecked, DbErr> {
    loop {
        match tables::check(&run.world, expected, sent, store).await {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(status_page::POLL_INTERVAL).await,
            result => return result,
        }
    }
}
