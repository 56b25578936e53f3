//! `dead-letters reopen`: takes back that letters were given up. It must never do so without a reason.

use anyhow::Result;
use careq_console::dead_letters;

use super::arguments::Reopen;
use super::{Operations, actor, filter, show_as};

pub(super) async fn run(operations: &Operations<'_>, reopen: Reopen) -> Result<()> {
    let database = &operations.database;
    let chosen = filter::chosen(database, reopen.chosen).await?;
    let reopened = dead_letters::reopen(database, &actor(reopen.named), &chosen, &reopen.reason).await?;
    show_as(reopen.output, &reopened, || format!("{} letters are open again.", reopened.letters))
}
