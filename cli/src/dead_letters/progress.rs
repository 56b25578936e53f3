//! Waits for a job: with a progress bar on a terminal, with a line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Result, bail};
use careq_console::ShortId;
use careq_console::jobs::{self, Job};
use careq_shared::replay::JobState;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::DatabaseConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::context::show_as;
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
    let mut display = Display::default();
    let job = loop {
        let job = jobs::get(database, id).await?;
        if job.is_over() {
            break job;
        }
        display.update(&job);
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    drop(display);
    show_as(output, &job, || format!("Job {} is {}: {}.", ShortId::of(job.id), job.state, words(&job)))?;
    verdict(&job)
}

fn verdict(job: &Job) -> Result<()> {
    if u64::try_from(job.letters).is_ok_and(|letters| letters == job.progress.resolved) {
        return Ok(());
    }
    bail!(
        "not every letter went through; `careq-sync dead-letters jobs show {}` says which and why",
        ShortId::of(job.id)
    );
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

/// The progress display, which is cleared when dropped.
#[derive(Default)]
struct Display {
    bar: Option<ProgressBar>,
    printed_at: Option<Instant>,
}

impl Display {
    fn update(&mut self, job: &Job) {
        let state = match (job.state, &job.worker) {
            (JobState::Running, None) => "no worker has taken it yet".to_owned(),
            (JobState::Running, Some(_)) => words(job),
            (state, _) => format!("{state}, {}", words(job)),
        };
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| bar(job));
            bar.set_position(job.progress.settled());
            bar.set_message(state);
        } else if self.printed_at.is_none_or(|printed_at| printed_at.elapsed() >= LINE_INTERVAL) {
            self.printed_at = Some(Instant::now());
            print_to_stderr(&format!(
                "{} of {} letters settled, {state}",
                job.progress.settled(),
                job.letters
            ));
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(job: &Job) -> ProgressBar {
    let bar = ProgressBar::new(job.letters.unsigned_abs());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} settled, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
