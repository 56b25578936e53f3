//! Waits for a job: with a progress bar on a terminal, with a line every few seconds elsewhere.

use std::time::Duration;

use anyhow::{Result, bail};
use careq_console::ShortId;
use careq_console::jobs::{self, Job};
use careq_shared::replay::JobState;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::DatabaseConnection;
use tokio::time::Instant;
use uuid::Uuid;

use crate::arguments::output::Output;
use crate::environment::print_to_stderr;

/// The interval between reads of the job.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The interval between lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Waits until every dead letter of the job has an outcome, and prints the totals.
///
/// # Errors
/// Not every dead letter was resolved, or the database failed.
pub(super) async fn wait(database: &DatabaseConnection, id: Uuid, output: Output) -> Result<()> {
    // Hidden without a terminal, and cleared when dropped.
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} settled, {msg}")?);
    let mut printed_at: Option<Instant> = None;
    let job = loop {
        let job = jobs::get(database, id).await?;
        if job.is_over() {
            break job;
        }
        let (settled, letters) = (job.progress.settled(), job.letters);
        let state = match (job.state, &job.worker) {
            (JobState::Running, None) => "no worker has started it yet".to_owned(),
            (JobState::Running, Some(_)) => words(&job),
            (state, _) => format!("{state}, {}", words(&job)),
        };
        if bar.is_hidden() && printed_at.is_none_or(|printed_at| printed_at.elapsed() >= LINE_INTERVAL) {
            printed_at = Some(Instant::now());
            print_to_stderr(&format!("{settled} of {letters} dead letters settled, {state}"));
        }
        bar.set_length(letters.unsigned_abs());
        bar.set_position(settled);
        bar.set_message(state);
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    drop(bar);
    print_state(output, &job)?;
    if u64::try_from(job.letters).is_ok_and(|letters| letters == job.progress.resolved) {
        return Ok(());
    }
    bail!(
        "not every dead letter was resolved; `careq-sync dead-letters jobs show {}` lists the others with their reasons",
        ShortId::shorten(job.id)
    );
}

/// Prints the state of a job.
pub(super) fn print_state(output: Output, job: &Job) -> Result<()> {
    output.print(job, || format!("Job {} is {}: {}.", ShortId::shorten(job.id), job.state, words(job)))
}

/// The progress of a job in words, without zero counts.
pub(super) fn words(job: &Job) -> String {
    let progress = &job.progress;
    let parts = [
        (progress.pending, "pending"),
        (progress.published, "published"),
        (progress.waiting, "waiting"),
        (progress.resolved, "resolved"),
        (progress.failed, "failed again"),
        (progress.skipped, "skipped"),
        (progress.cancelled, "cancelled"),
    ];
    let named = parts.iter().filter(|(letters, _)| *letters > 0);
    named.map(|(letters, word)| format!("{letters} {word}")).collect::<Vec<_>>().join(", ")
}
