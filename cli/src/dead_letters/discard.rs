//! `dead-letters discard`: gives letters up. It must never do so without a reason.

use anyhow::Result;
use careq_console::letters;

use super::arguments::Discard;
use super::{Operations, actor, filter, show_as};

pub(super) async fn run(operations: &Operations<'_>, discard: Discard) -> Result<()> {
    let database = &operations.database;
    let filter = filter::chosen(database, discard.chosen).await?;
    let discarded = letters::discard(database, &actor(discard.named), &filter, &discard.reason).await?;
    show_as(discard.output, &discarded, || {
        format!("{} letters are discarded; they can still be shown.", discarded.letters)
    })
}
