//! `dead-letters discard`: gives letters up. It must never do so without a reason.

use anyhow::Result;
use careq_console::{dead_letters, jobs};
use serde_json::json;

use super::arguments::Discard;
use super::{Operations, actor, filter, show_as};

pub(super) async fn run(operations: &Operations<'_>, discard: Discard) -> Result<()> {
    let database = &operations.database;
    let chosen = filter::chosen(database, discard.chosen).await?;
    if discard.dry_run {
        let letters = jobs::plan(database, chosen.filter()).await?.letters;
        return show_as(discard.output, &json!({ "dry_run": true, "letters": letters }), || {
            format!("{letters} open letters match; nothing was changed.")
        });
    }
    let reason = discard.reason.unwrap_or_default();
    let discarded = dead_letters::discard(database, &actor(discard.named), &chosen, &reason).await?;
    show_as(discard.output, &discarded, || {
        format!("{} letters are discarded; they can still be shown.", discarded.letters)
    })
}
