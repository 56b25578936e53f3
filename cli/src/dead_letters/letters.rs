//! `dead-letters list` and `show`. Lists do not read payloads.

use anyhow::Result;
use careq_console::dead_letters::{self, DeadLetter, DeadLetterDetails, Filter, Group, Plaintext};
use careq_console::{PageRequest, ShortId};
use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;
use serde_json::json;

use crate::arguments::dead_letters::{FilterArguments, List, Show};
use crate::arguments::output::Output;
use crate::table::{facts, or_dash, table, time};

impl From<FilterArguments> for Filter {
    fn from(arguments: FilterArguments) -> Self {
        let FilterArguments { clinic, kind, careq_id, class, code, fingerprint, since, until } = arguments;
        Self { clinic_id: clinic, kind, careq_id, class, code, fingerprint, since, until, ..Self::default() }
    }
}

pub(super) async fn list(database: &DatabaseConnection, list: List, output: Output) -> Result<()> {
    let states: Vec<_> = list.state.into_iter().collect::<Option<_>>().unwrap_or_default();
    let filter = Filter::from(list.filter);
    let none = || "No dead letter matches.".to_owned();
    if list.group {
        let groups = dead_letters::groups(database, &filter, &states, list.limit).await?;
        return output.print(&json!({ "groups": groups }), || groups_table(&groups).unwrap_or_else(none));
    }
    let page = PageRequest { after: list.after, limit: list.limit };
    let listed = dead_letters::list(database, &filter, &states, page).await?;
    let count = dead_letters::count(database, &filter, &states).await?;
    let as_json = json!({ "letters": listed.items, "count": count, "next": listed.next });
    output.print(&as_json, || {
        let more = listed.next.map(|next| format!("\n\n{count} in total; next page: --after {next}"));
        letters_table(&listed.items).unwrap_or_else(none) + &more.unwrap_or_default()
    })
}

fn letters_table(letters: &[DeadLetter]) -> Option<String> {
    let row = |letter: &DeadLetter| {
        [
            ShortId::shorten(letter.id),
            time(letter.last_seen_at),
            letter.state.to_string(),
            or_dash(letter.clinic_id.as_ref()),
            or_dash(letter.kind.as_ref()),
            or_dash(letter.careq_id),
            letter.class.clone(),
            letter.attempts.to_string(),
            letter.message.clone(),
        ]
    };
    let head = ["ID", "FAILED", "STATE", "CLINIC", "KIND", "RECORD", "CLASS", "TRIES", "MESSAGE"];
    table(head, letters.iter().map(row))
}

fn groups_table(groups: &[Group]) -> Option<String> {
    let row = |group: &Group| {
        [
            group.fingerprint.clone(),
            group.letters.to_string(),
            group.clinics.to_string(),
            group.class.clone(),
            or_dash(group.kind.as_ref()),
            time(group.last_seen_at),
            group.example.clone(),
        ]
    };
    let head = ["FINGERPRINT", "LETTERS", "CLINICS", "CLASS", "KIND", "LAST FAILED", "FOR EXAMPLE"];
    table(head, groups.iter().map(row))
}

/// Shows a dead letter with its history. The output of `--reveal` can be edited and passed to `correct --with`.
pub(super) async fn show(
    database: &DatabaseConnection,
    seal: &Seal,
    show: Show,
    output: Output,
) -> Result<()> {
    let id = dead_letters::find(database, show.id).await?;
    let Some(reason) = show.reason else {
        let shown = dead_letters::show(database, seal, id).await?;
        return output.print(&shown, || as_text(&shown));
    };
    let payload = dead_letters::reveal(database, seal, &show.acting.actor(), id, &reason).await?;
    let payload = payload.plaintext()?;
    let as_text = match &payload {
        Plaintext::Body(body) => serde_json::to_string_pretty(body)?,
        Plaintext::Text(text) => text.clone(),
    };
    output.print(&payload, || as_text)
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
    let failures = shown.failures.iter();
    let failures =
        failures.map(|failure| [time(failure.at), failure.worker.clone(), failure.message.clone()]);
    let jobs = shown.jobs.iter();
    let jobs = jobs.map(|job| [job.job_id.to_string(), job.state.to_string(), or_dash(job.note.as_ref())]);
    let audit = shown.audit.iter();
    let audit = audit.map(|entry| [time(entry.at), entry.actor.clone(), entry.action.clone()]);
    let histories = [
        table(["FAILED", "WORKER", "MESSAGE"], failures),
        table(["REPLAY JOB", "STATE", "NOTE"], jobs),
        table(["TIME", "ACTOR", "ACTION"], audit),
    ];
    let parts = std::iter::once(facts(&rows)).chain(histories.into_iter().flatten());
    parts.collect::<Vec<_>>().join("\n\n")
}
