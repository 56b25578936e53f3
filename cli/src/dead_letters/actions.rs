//! `dead-letters replay`, `correct`, `discard` and `reopen`. A worker executes a replay job, whether or not this process waits.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use careq_console::dead_letters::{self, Correction, Filter, Selection};
use careq_console::{ShortId, jobs};
use careq_shared::config::Config;
use careq_shared::json::Document;
use careq_shared::seal;
use sea_orm::DatabaseConnection;
use serde_json::json;

use super::progress;
use crate::arguments::dead_letters::{Correct, Discard, Reopen, Replay, SelectionArguments};
use crate::arguments::output::Output;

pub(super) async fn replay(database: &DatabaseConnection, replay: Replay, output: Output) -> Result<()> {
    let selection = selection(database, replay.selection).await?;
    if replay.dry_run {
        let plan = jobs::plan(database, selection.filter()).await?;
        let as_json = json!({ "dry_run": true, "letters": plan.letters, "undecodable": plan.undecodable });
        return output.print(&as_json, || {
            let undecodable = match plan.undecodable {
                0 => String::new(),
                count => format!(" {count} of them were undecodable, and are skipped if they still are."),
            };
            format!("{} open dead letters match; nothing was changed.{undecodable}", plan.letters)
        });
    }
    let job = jobs::make(database, &replay.acting.actor(), &selection, replay.rate).await?;
    if replay.wait {
        return progress::wait(database, job.id, output).await;
    }
    output.print(&job, || {
        let id = ShortId::shorten(job.id);
        format!(
            "Job {id} replays {} dead letters, {} per second. `careq-sync dead-letters jobs watch {id}` follows it.",
            job.letters, job.rate_per_second
        )
    })
}

/// Creates a corrected dead letter, which supersedes the original, and a job that replays it. The body is not printed.
pub(super) async fn correct(
    config: &Config,
    database: &DatabaseConnection,
    correct: Correct,
    output: Output,
) -> Result<()> {
    let seal = &seal::open(config)?;
    let body = Document::parse(&read_body(&correct.with, config.ingress.max_body_bytes)?)
        .with_context(|| format!("{} cannot be used", correct.with.display()))?;
    let id = dead_letters::find(database, correct.id).await?;
    let correction = Correction { body, kind: correct.kind, limits: config.ingress.record_limits() };
    let corrected = dead_letters::correct(database, seal, &correct.acting.actor(), id, correction).await?;
    if correct.wait {
        return progress::wait(database, corrected.job.id, output).await;
    }
    output.print(&corrected, || {
        let (letter, job) = (ShortId::shorten(corrected.letter_id), ShortId::shorten(corrected.job.id));
        format!("The correction is dead letter {letter}; job {job} replays it.")
    })
}

pub(super) async fn discard(database: &DatabaseConnection, discard: Discard, output: Output) -> Result<()> {
    let selection = selection(database, discard.selection).await?;
    if discard.dry_run {
        let letters = jobs::plan(database, selection.filter()).await?.letters;
        return output.print(&json!({ "dry_run": true, "letters": letters }), || {
            format!("{letters} open dead letters match; nothing was changed.")
        });
    }
    let reason = discard.reason.context("--reason is missing")?;
    let discarded = dead_letters::discard(database, &discard.acting.actor(), &selection, &reason).await?;
    output.print(&discarded, || {
        format!("{} dead letters are discarded; they can still be shown.", discarded.letters)
    })
}

pub(super) async fn reopen(database: &DatabaseConnection, reopen: Reopen, output: Output) -> Result<()> {
    let selection = selection(database, reopen.selection).await?;
    let reopened = dead_letters::reopen(database, &reopen.acting.actor(), &selection, &reopen.reason).await?;
    output.print(&reopened, || format!("{} dead letters are open again.", reopened.letters))
}

/// The selected dead letters. Prefixes of ids are resolved.
async fn selection(database: &DatabaseConnection, arguments: SelectionArguments) -> Result<Selection> {
    let mut filter = Filter::from(arguments.filter);
    for id in arguments.ids {
        filter.ids.push(dead_letters::find(database, id).await?);
    }
    Ok(Selection::new(filter, arguments.all)?)
}

/// The content of a file, or of standard input, which may be endless.
fn read_body(file: &Path, max_bytes: usize) -> Result<Vec<u8>> {
    let limit = u64::try_from(max_bytes)?.saturating_add(1);
    let mut body = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().take(limit).read_to_end(&mut body)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut body))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    ensure!(
        body.len() <= max_bytes,
        "{} is larger than the {max_bytes} bytes of ingress.max_body_bytes",
        file.display()
    );
    Ok(body)
}
