//! `dead-letters list`: lists dead letters, or their causes. Payloads are not read.

use anyhow::Result;
use careq_console::PageRequest;
use careq_console::ShortId;
use careq_console::dead_letters::{self, DeadLetter, Filter, Group};
use serde_json::json;

use super::context::{Context, show_as};
use super::table::{or_dash, table, time};
use crate::arguments::dead_letters::List;

pub(super) async fn run(context: &Context<'_>, list: List) -> Result<()> {
    let (filter, states) = (Filter::from(list.filter), list.state.0);
    if list.group {
        let groups = dead_letters::groups(&context.database, &filter, &states, list.limit).await?;
        return show_as(list.output, &json!({ "groups": groups }), || of_groups(&groups));
    }
    let page = PageRequest { after: list.after, limit: list.limit };
    let listed = dead_letters::list(&context.database, &filter, &states, page).await?;
    let count = dead_letters::count(&context.database, &filter, &states).await?;
    let as_json = json!({ "letters": listed.items, "count": count, "next": listed.next });
    show_as(list.output, &as_json, || {
        let more = listed.next.map(|next| format!("\n\n{count} in all; the next page: --after {next}"));
        of_letters(&listed.items) + &more.unwrap_or_default()
    })
}

fn of_letters(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "No dead letter matches.".to_owned();
    }
    let rows: Vec<_> = letters.iter().map(row).collect();
    table(["ID", "FAILED", "STATE", "CLINIC", "KIND", "RECORD", "CLASS", "TRIES", "MESSAGE"], &rows)
}

fn row(letter: &DeadLetter) -> [String; 9] {
    [
        ShortId::of(letter.id),
        time(letter.last_seen_at),
        letter.state.to_string(),
        or_dash(letter.clinic_id.as_ref()),
        or_dash(letter.kind.as_ref()),
        or_dash(letter.careq_id),
        letter.class.clone(),
        letter.attempts.to_string(),
        letter.message.clone(),
    ]
}

fn of_groups(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "No dead letter matches.".to_owned();
    }
    let rows: Vec<_> = groups
        .iter()
        .map(|group| {
            [
                group.fingerprint.clone(),
                group.letters.to_string(),
                group.clinics.to_string(),
                group.class.clone(),
                or_dash(group.kind.as_ref()),
                time(group.last_seen_at),
                group.example.clone(),
            ]
        })
        .collect();
    table(["FINGERPRINT", "LETTERS", "CLINICS", "CLASS", "KIND", "LAST FAILED", "FOR EXAMPLE"], &rows)
}
