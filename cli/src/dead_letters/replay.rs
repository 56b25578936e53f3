//! `dead-letters replay`: creates a replay job. A worker executes it, whether or not this process waits.

use anyhow::Result;
use careq_console::ShortId;
use careq_console::jobs;
use serde_json::json;

use super::context::{Context, actor, show_as};
use super::progress;
use super::selection::selection;
use crate::arguments::dead_letters::Replay;

pub(super) async fn run(context: &Context<'_>, replay: Replay) -> Result<()> {
    let database = &context.database;
    let selection = selection(database, replay.selection).await?;
    if replay.dry_run {
        let plan = jobs::plan(database, selection.filter()).await?;
        let as_json = json!({ "dry_run": true, "letters": plan.letters, "skipped": plan.skipped });
        return show_as(replay.output, &as_json, || {
            let left_out = match plan.skipped {
                0 => String::new(),
                skipped => format!(
                    " Of these, {skipped} could not be read when they came; what still cannot be read is skipped."
                ),
            };
            format!("{} open letters match; nothing was changed.{left_out}", plan.letters)
        });
    }
    let job = jobs::make(database, &actor(replay.actor), &selection, replay.rate).await?;
    if replay.wait {
        return progress::wait(database, job.id, replay.output).await;
    }
    show_as(replay.output, &job, || {
        let id = ShortId::of(job.id);
        format!(
            "Job {id} replays {} letters, {} a second; `careq-sync dead-letters jobs watch {id}` follows it.",
            job.letters, job.rate_per_second
        )
    })
}
