//! `careq-sync dead-letters`. Only `show --reveal` prints a payload, and only selected dead letters are replayed or discarded.

mod actions;
mod jobs;
mod letters;

mod progress;

use anyhow::Result;
use careq_shared::config::Config;
use careq_shared::seal;

use crate::arguments::dead_letters::{DeadLettersCommand, JobsCommand};
use crate::arguments::output::Output;
use crate::{audit, migrate};

pub(crate) async fn run(config: &Config, command: DeadLettersCommand, output: Output) -> Result<()> {
    let database = &migrate::connect(config).await?;
    match command {
        DeadLettersCommand::List(list) => letters::list(database, list, output).await,
        DeadLettersCommand::Show(show) => letters::show(database, &seal::open(config)?, show, output).await,
        DeadLettersCommand::Replay(replay) => actions::replay(database, replay, output).await,
        DeadLettersCommand::Correct(correct) => actions::correct(config, database, correct, output).await,
        DeadLettersCommand::Discard(discard) => actions::discard(database, discard, output).await,
        DeadLettersCommand::Reopen(reopen) => actions::reopen(database, reopen, output).await,
        DeadLettersCommand::Audit { limit } => audit::list(database, limit, output).await,
        DeadLettersCommand::Jobs { command } => {
            jobs::run(database, command.unwrap_or(JobsCommand::List), output).await
        }
    }
}
