//! `dead-letters jobs`: lists, shows, watches and controls replay jobs.

use anyhow::Result;
use careq_console::jobs::{self, Job, JobLetter};
use careq_console::{PageRequest, ShortId};
use careq_shared::replay::JobLetterState;
use serde_json::json;

use super::context::{Context, actor, show_as};
use super::progress;
use super::table::{facts, or_dash, table, time};
use crate::arguments::dead_letters::JobsCommand;
use crate::arguments::output::Output;

/// The number of rows in a list. Older jobs are found by their id.
const MAX_ROWS: u64 = 50;

pub(super) async fn run(context: &Context<'_>, command: Option<JobsCommand>, output: Output) -> Result<()> {
    let database = &context.database;
    let changed = match command.unwrap_or(JobsCommand::List(output)) {
        JobsCommand::List(list) => {
            let jobs = jobs::list(database, PageRequest::first(MAX_ROWS)).await?.items;
            let output = Output { json: list.json || output.json };
            return show_as(output, &json!({ "jobs": jobs }), || of_jobs(&jobs));
        }
        JobsCommand::Show(job) => {
            let id = jobs::find(database, job.id).await?;
            let found = jobs::get(database, id).await?;
            let mut letters = Vec::new();
            for state in [JobLetterState::Failed, JobLetterState::Skipped] {
                letters.extend(jobs::letters(database, id, Some(state), None, MAX_ROWS).await?.items);
            }
            let as_json = json!({ "job": found, "letters": letters });
            return show_as(job.output, &as_json, || as_text(&found, &letters));
        }
        JobsCommand::Watch(job) => {
            let id = jobs::find(database, job.id).await?;
            return progress::wait(database, id, job.output).await;
        }
        JobsCommand::Pause(job) => {
            let id = jobs::find(database, job.id).await?;
            (job.output, jobs::pause(database, &actor(job.actor), id).await?)
        }
        JobsCommand::Resume(job) => {
            let id = jobs::find(database, job.id).await?;
            (job.output, jobs::resume(database, &actor(job.actor), id).await?)
        }
        JobsCommand::Cancel(job) => {
            let id = jobs::find(database, job.id).await?;
            (job.output, jobs::cancel(database, &actor(job.actor), id).await?)
        }
    };
    let (output, job) = changed;
    show_as(output, &job, || {
        format!("Job {} is {}: {}.", ShortId::of(job.id), job.state, progress::words(&job))
    })
}

fn of_jobs(jobs: &[Job]) -> String {
    if jobs.is_empty() {
        return "There is no replay job.".to_owned();
    }
    let row = |job: &Job| {
        [
            ShortId::of(job.id),
            time(job.made_at),
            job.made_by.clone(),
            job.state.to_string(),
            job.letters.to_string(),
            progress::words(job),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    table(["ID", "MADE", "BY", "STATE", "LETTERS", "PROGRESS"], &rows)
}

fn filter(job: &Job) -> String {
    let filter = job.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok());
    filter.unwrap_or_else(|| "(of another version)".to_owned())
}

fn as_text(job: &Job, letters: &[JobLetter]) -> String {
    let known = facts(&[
        ("job", job.id.to_string()),
        ("state", job.state.to_string()),
        ("filter", filter(job)),
        ("letters", job.letters.to_string()),
        ("progress", progress::words(job)),
        ("rate", format!("{} a second", job.rate_per_second)),
        ("made", format!("{} by {}", time(job.made_at), job.made_by)),
        ("ended", or_dash(job.finished_at.map(time))),
        ("worker", or_dash(job.worker.as_ref())),
    ]);
    if letters.is_empty() {
        return known;
    }
    let row = |letter: &JobLetter| {
        let why = letter.note.as_ref().or(letter.message.as_ref());
        [ShortId::of(letter.letter_id), letter.state.to_string(), or_dash(why)]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    format!("{known}\n\n{}", table(["LETTER", "STATE", "WHY"], &rows))
}
