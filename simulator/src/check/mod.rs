//! The check after sending: every acknowledged event has exactly one final result, and the records are those that the bookings
//! imply. The expectation is computed without the code of the installation.

mod columns;
mod events;
mod expected;
mod records;
mod tables;

use std::time::Instant;

use anyhow::{Context as _, Result};
use expected::Expected;

use crate::plan::Store;
use crate::run::Run;
use crate::send::Receipt;

/// Checks all events and records by their status pages. With a store, the tables are checked too.
///
/// # Errors
/// The tables cannot be read.
pub(crate) async fn check_all(run: &Run, receipts: &[Receipt], store: Option<&Store>) -> Result<()> {
    let began = Instant::now();
    let deadline = began + run.plan.settle_within;
    events::check(run, receipts, deadline).await;
    run.report().settled_after_s = began.elapsed().as_secs_f64();
    if run.report().undelivered > 0 {
        // An event without an acknowledgement may or may not be stored, so no state is expected.
        return Ok(());
    }
    let expected = Expected::from_world(&run.world);
    records::check(run, &expected, deadline).await;
    let Some(store) = store else { return Ok(()) };
    let checked = tables::check(run, &expected, receipts, store, deadline).await;
    checked.context("the tables cannot be checked")
}
