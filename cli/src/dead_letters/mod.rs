//! `careq-sync dead-letters`. Only `show --reveal` prints a payload, and only selected dead letters are replayed or discarded.

mod context;
mod selection;

mod list;
mod show;

mod correct;
mod discard;
mod jobs;
mod reopen;
mod replay;

mod audit;

mod progress;
mod table;

use anyhow::Result;
use careq_shared::config::Config;

use crate::arguments::dead_letters::DeadLettersCommand;
use crate::migrate;
use context::Context;

pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> Result<()> {
    let context = Context { config, database: migrate::connect(config).await? };
    match command {
        DeadLettersCommand::List(list) => list::run(&context, list).await,
        DeadLettersCommand::Show(show) => show::run(&context, show).await,
        DeadLettersCommand::Replay(replay) => replay::run(&context, replay).await,
        DeadLettersCommand::Correct(correct) => correct::run(&context, correct).await,
        DeadLettersCommand::Discard(discard) => discard::run(&context, discard).await,
        DeadLettersCommand::Reopen(reopen) => reopen::run(&context, reopen).await,
        DeadLettersCommand::Audit(audit) => audit::run(&context, audit).await,
        DeadLettersCommand::Jobs { command, output } => jobs::run(&context, command, output).await,
    }
}
