//! `dead-letters jobs`: lists, shows, watches and controls replay jobs.

use anyhow::Result;
use careq_console::jobs::{self, Job, JobLetter};
use careq_console::{PageRequest, ShortId};
use careq_shared::replay::JobLetterState;
use sea_orm::DatabaseConnection;
use serde_json::json;

use super::progress::{self, print_state, words};
use crate::arguments::dead_letters::{ChangedJob, JobsCommand, OneJob};
use crate::arguments::output::Output;
use crate::table::{facts, or_dash, table, time};

/// The number of rows in a list. Older jobs are found by their id.
const MAX_ROWS: u64 = 50;

pub(super) async fn run(database: &DatabaseConnection, command: JobsCommand, output: Output) -> Result<()> {
    let find = async |OneJob { id }| jobs::find(database, id).await;
    match command {
        JobsCommand::List => {
            let jobs = jobs::list(database, PageRequest::first(MAX_ROWS)).await?.items;
            output.print(&json!({ "jobs": jobs }), || jobs_table(&jobs))
        }
        JobsCommand::Show(job) => {
            let id = find(job).await?;
            let found = jobs::get(database, id).await?;
            let mut letters = Vec::new();
            for state in [JobLetterState::Failed, JobLetterState::Skipped] {
                letters.extend(jobs::letters(database, id, Some(state), None, MAX_ROWS).await?.items);
            }
            output.print(&json!({ "job": found, "letters": letters }), || as_text(&found, &letters))
        }
        JobsCommand::Watch(job) => progress::wait(database, find(job).await?, output).await,
        JobsCommand::Pause(ChangedJob { job, acting }) => {
            print_state(output, &jobs::pause(database, &acting.actor(), find(job).await?).await?)
        }
        JobsCommand::Resume(ChangedJob { job, acting }) => {
            print_state(output, &jobs::resume(database, &acting.actor(), find(job).await?).await?)
        }
        JobsCommand::Cancel(ChangedJob { job, acting }) => {
            print_state(output, &jobs::cancel(database, &acting.actor(), find(job).await?).await?)
        }
    }
}

fn jobs_table(jobs: &[Job]) -> String {
    let row = |job: &Job| {
        [
            ShortId::shorten(job.id),
            time(job.made_at),
            job.made_by.clone(),
            job.state.to_string(),
            job.letters.to_string(),
            words(job),
        ]
    };
    table(["ID", "CREATED", "BY", "STATE", "LETTERS", "PROGRESS"], jobs.iter().map(row))
        .unwrap_or_else(|| "There is no replay job.".to_owned())
}

fn as_text(job: &Job, letters: &[JobLetter]) -> String {
    let filter = job.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok());
    let known = facts(&[
        ("job", job.id.to_string()),
        ("state", job.state.to_string()),
        ("filter", filter.unwrap_or_else(|| "(of another version)".to_owned())),
        ("letters", job.letters.to_string()),
        ("progress", words(job)),
        ("rate", format!("{} per second", job.rate_per_second)),
        ("created", format!("{} by {}", time(job.made_at), job.made_by)),
        ("ended", or_dash(job.finished_at.map(time))),
        ("worker", or_dash(job.worker.as_ref())),
    ]);
    let row = |letter: &JobLetter| {
        let reason = letter.note.as_ref().or(letter.message.as_ref());
        [ShortId::shorten(letter.letter_id), letter.state.to_string(), or_dash(reason)]
    };
    match table(["LETTER", "STATE", "REASON"], letters.iter().map(row)) {
        Some(letters) => format!("{known}\n\n{letters}"),
        None => known,
    }
}
