//! Follows a job: a bar on a terminal, a plain line now and then elsewhere. It must never end as a success unless every letter has
//! gone through.

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

use super::show_as;
use crate::arguments::Output;
use crate::environment::tell;

/// How often the job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Waits until it is known what became of each letter, and says it.
pub(super) async fn to_the_end(database: &DatabaseConnection, id: Uuid, output: Output) -> Result<()> {
    let mut watch = Watch::default();
    let job = loop {
        let job = jobs::get(database, id).await?;
        if job.is_over() {
            break job;
        }
        watch.see(&job);
        tokio::time::sleep(LOOK_EVERY).await;
    };
    drop(watch);
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

/// Where the letters of a job stand; what is none is not named.
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

/// What a person sees meanwhile, until it is dropped.
#[derive(Default)]
struct Watch {
    bar: Option<ProgressBar>,
    told_at: Option<Instant>,
}

impl Watch {
    fn see(&mut self, job: &Job) {
        let state = match (job.state, &job.worker) {
            (JobState::Running, None) => "no worker has taken it yet".to_owned(),
            (JobState::Running, Some(_)) => words(job),
            (state, _) => format!("{state}, {}", words(job)),
        };
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| bar(job));
            bar.set_position(job.progress.settled());
            bar.set_message(state);
        } else if self.told_at.is_none_or(|told_at| told_at.elapsed() >= LINE_EVERY) {
            self.told_at = Some(Instant::now());
            tell(&format!("{} of {} letters settled, {state}", job.progress.settled(), job.letters));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(job: &Job) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(job.letters).unwrap_or_default());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} settled, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
