//! `dead-letters show`: one dead letter with its history. The output of `--reveal` can be edited and passed to `correct --with`.

use anyhow::Result;
use careq_console::dead_letters::{self, DeadLetterDetails, Plaintext};

use super::context::{Context, actor, show_as};
use super::table::{facts, or_dash, table, time};
use crate::arguments::dead_letters::Show;

pub(super) async fn run(context: &Context<'_>, show: Show) -> Result<()> {
    let (database, seal) = (&context.database, &context.seal()?);
    let id = dead_letters::find(database, show.id).await?;
    if let Some(reason) = show.reason {
        let payload = dead_letters::reveal(database, seal, &actor(show.actor), id, &reason).await?;
        let payload = payload.plaintext()?;
        let as_text = match &payload {
            Plaintext::Body(body) => serde_json::to_string_pretty(body)?,
            Plaintext::Text(text) => text.clone(),
        };
        return show_as(show.output, &payload, || as_text);
    }
    let shown = dead_letters::show(database, seal, id).await?;
    show_as(show.output, &shown, || as_text(&shown))
}

fn as_text(shown: &DeadLetterDetails) -> String {
    let letter = &shown.letter;
    let mut rows = vec![
        ("letter", letter.id.to_string()),
        ("state", letter.state.to_string()),
        ("clinic", or_dash(letter.clinic_id.as_ref())),
        ("kind", or_dash(letter.kind.as_ref())),
        ("record", or_dash(letter.careq_id)),
        ("event", or_dash(letter.event_id.as_ref())),
        ("class", letter.class.clone()),
        ("code", letter.code.clone()),
        ("message", letter.message.clone()),
        ("fingerprint", letter.fingerprint.clone()),
        ("accepted", time(letter.first_seen_at)),
        ("failed last", time(letter.last_seen_at)),
        ("tries", letter.attempts.to_string()),
        ("worker", format!("{}, version {}", letter.worker, letter.version)),
        ("payload", shown.payload.clone()),
    ];
    rows.extend(letter.settled_at.map(|at| ("settled", time(at))));
    rows.extend(letter.reason.clone().map(|reason| ("reason", reason)));
    rows.extend(letter.original_id.map(|id| ("corrects", id.to_string())));
    rows.extend(shown.corrections.iter().map(|id| ("corrected by", id.to_string())));
    let failures: Vec<_> = shown
        .failures
        .iter()
        .map(|failure| [time(failure.at), failure.worker.clone(), failure.message.clone()])
        .collect();
    let jobs: Vec<_> = shown
        .jobs
        .iter()
        .map(|job| [job.job_id.to_string(), job.state.to_string(), or_dash(job.note.as_ref())])
        .collect();
    let audit: Vec<_> =
        shown.audit.iter().map(|entry| [time(entry.at), entry.actor.clone(), entry.action.clone()]).collect();
    let mut parts = vec![facts(&rows)];
    let histories = [
        (["FAILED", "WORKER", "MESSAGE"], failures),
        (["REPLAY JOB", "STATE", "NOTE"], jobs),
        (["DONE", "BY", "WHAT"], audit),
    ];
    parts
        .extend(histories.iter().filter(|(_, rows)| !rows.is_empty()).map(|(head, rows)| table(*head, rows)));
    parts.join("\n\n")
}
