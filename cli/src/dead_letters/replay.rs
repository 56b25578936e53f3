//! `dead-letters replay`: makes a job. A worker carries it out; this process may end meanwhile.

use anyhow::Result;
use careq_console::ShortId;
use careq_console::jobs;
use serde_json::json;

use super::arguments::Replay;
use super::{Operations, actor, filter, progress, show_as};

pub(super) async fn run(operations: &Operations<'_>, replay: Replay) -> Result<()> {
    let database = &operations.database;
    let chosen = filter::chosen(database, replay.chosen).await?;
    if replay.dry_run {
        let plan = jobs::plan(database, chosen.filter()).await?;
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
    let job = jobs::make(database, &actor(replay.named), &chosen, replay.rate).await?;
    if replay.wait {
        return progress::to_the_end(database, job.id, replay.output).await;
    }
    show_as(replay.output, &job, || {
        let id = ShortId::of(job.id);
        format!(
            "Job {id} replays {} letters, {} a second; `careq-sync dead-letters jobs watch {id}` follows it.",
            job.letters, job.rate_per_second
        )
    })
}
