//! `dead-letters audit`: lists the entries of the audit log.

use anyhow::Result;
use careq_console::audit::{self, Entry};
use careq_console::{PageRequest, ShortId};
use serde_json::{Value, json};

use super::context::{Context, show_as};
use super::table::{or_dash, table, time};
use crate::arguments::dead_letters::Audit;

pub(super) async fn run(context: &Context<'_>, audit: Audit) -> Result<()> {
    let entries = audit::list(&context.database, PageRequest::first(audit.limit)).await?.items;
    show_as(audit.output, &json!({ "audit": entries }), || as_text(&entries))
}

fn as_text(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "There are no entries yet.".to_owned();
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
