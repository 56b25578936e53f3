//! `dead-letters discard`: discards dead letters, with a reason.

use anyhow::{Context as _, Result};
use careq_console::{dead_letters, jobs};
use serde_json::json;

use super::context::{Context, actor, show_as};
use super::selection::selection;
use crate::arguments::dead_letters::Discard;

pub(super) async fn run(context: &Context<'_>, discard: Discard) -> Result<()> {
    let database = &context.database;
    let selection = selection(database, discard.selection).await?;
    if discard.dry_run {
        let letters = jobs::plan(database, selection.filter()).await?.letters;
        return show_as(discard.output, &json!({ "dry_run": true, "letters": letters }), || {
            format!("{letters} open letters match; nothing was changed.")
        });
    }
    let reason = discard.reason.context("--reason is missing")?;
    let discarded = dead_letters::discard(database, &actor(discard.actor), &selection, &reason).await?;
    show_as(discard.output, &discarded, || {
        format!("{} letters are discarded; they can still be shown.", discarded.letters)
    })
}
