//! `dead-letters show`: one letter with its history. What `--reveal` prints can be corrected and given to `correct --with`.

use anyhow::Result;
use careq_console::dead_letters::{self, DeadLetterDetails, Plaintext};

use super::arguments::Show;
use super::table::{facts, or_dash, table, time};
use super::{Operations, actor, show_as};

pub(super) async fn run(operations: &Operations<'_>, show: Show) -> Result<()> {
    let (database, seal) = (&operations.database, &operations.seal()?);
    let id = dead_letters::find(database, show.id).await?;
    if let Some(reason) = show.reason {
        let payload = dead_letters::reveal(database, seal, &actor(show.named), id, &reason).await?;
        let payload = payload.plaintext()?;
        let for_people = match &payload {
            Plaintext::Body(body) => serde_json::to_string_pretty(body)?,
            // Bytes that are no event are shown as they are.
            Plaintext::Text(text) => text.clone(),
        };
        return show_as(show.output, &payload, || for_people);
    }
    let shown = dead_letters::show(database, seal, id).await?;
    show_as(show.output, &shown, || for_people(&shown))
}

fn for_people(shown: &DeadLetterDetails) -> String {
    let letter = &shown.letter;
    let mut known = vec![
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
    known.extend(letter.settled_at.map(|at| ("settled", time(at))));
    known.extend(letter.reason.clone().map(|reason| ("reason", reason)));
    known.extend(letter.original_id.map(|id| ("corrects", id.to_string())));
    known.extend(shown.corrections.iter().map(|id| ("corrected by", id.to_string())));
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
    let mut parts = vec![facts(&known)];
    let histories = [
        (["FAILED", "WORKER", "MESSAGE"], failures),
        (["REPLAY JOB", "STATE", "NOTE"], jobs),
        (["DONE", "BY", "WHAT"], audit),
    ];
    parts
        .extend(histories.iter().filter(|(_, rows)| !rows.is_empty()).map(|(head, rows)| table(*head, rows)));
    parts.join("\n\n")
}
