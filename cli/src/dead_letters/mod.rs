//! `careq-sync dead-letters`. Only `show --reveal` prints a payload, and only selected dead letters are replayed or discarded.

mod actions;
mod jobs;
mod letters;

mod progress;

use anyhow::Result;
use careq_shared::config::Config;
use careq_shared::seal;

use crate::arguments::dead_letters::DeadLettersCommand;
use crate::{audit, migrate};

pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> Result<()> {
    let database = &migrate::connect(config).await?;
    match command {
        DeadLettersCommand::List(list) => letters::list(database, list).await,
        DeadLettersCommand::Show(show) => letters::show(database, &seal::open(config)?, show).await,
        DeadLettersCommand::Replay(replay) => actions::replay(database, replay).await,
        DeadLettersCommand::Correct(correct) => actions::correct(config, database, correct).await,
        DeadLettersCommand::Discard(discard) => actions::discard(database, discard).await,
        DeadLettersCommand::Reopen(reopen) => actions::reopen(database, reopen).await,
        DeadLettersCommand::Audit(list) => audit::list(database, list).await,
        DeadLettersCommand::Jobs { command, output } => jobs::run(database, command, output).await,
    }
}
