//! `dead-letters reopen`: reopens discarded and superseded dead letters, with a reason.

use anyhow::Result;
use careq_console::dead_letters;

use super::context::{Context, actor, show_as};
use super::selection::selection;
use crate::arguments::dead_letters::Reopen;

pub(super) async fn run(context: &Context<'_>, reopen: Reopen) -> Result<()> {
    let database = &context.database;
    let selection = selection(database, reopen.selection).await?;
    let reopened = dead_letters::reopen(database, &actor(reopen.actor), &selection, &reopen.reason).await?;
    show_as(reopen.output, &reopened, || format!("{} letters are open again.", reopened.letters))
}
