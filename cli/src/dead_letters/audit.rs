//! `dead-letters audit`: who did what when. It must never show more of a letter than its id.

use anyhow::Result;
use careq_console::audit::{self, Entry};
use careq_console::{PageRequest, ShortId};
use serde_json::{Value, json};

use super::arguments::Audit;
use super::table::{or_dash, table, time};
use super::{Operations, show_as};

pub(super) async fn run(operations: &Operations<'_>, audit: Audit) -> Result<()> {
    let entries = audit::list(&operations.database, PageRequest::first(audit.limit)).await?.items;
    show_as(audit.output, &json!({ "audit": entries }), || for_people(&entries))
}

fn for_people(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "Nobody has done anything yet.".to_owned();
    }
    let row = |entry: &Entry| {
        [
            time(entry.at),
            entry.actor.clone(),
            entry.action.clone(),
            or_dash(entry.letter_id.map(ShortId::of)),
            or_dash(entry.job_id.map(ShortId::of)),
            or_dash(entry.letters),
            details(&entry.details),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(["DONE", "BY", "WHAT", "LETTER", "JOB", "LETTERS", "DETAILS"], &rows)
}

fn details(details: &Value) -> String {
    match details {
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
