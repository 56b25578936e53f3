//! `careq-sync dead-letters …`. A payload must never be printed but by `show --reveal`, and nothing may be replayed or discarded that
//! was not named.

mod arguments;
mod audit;
mod filter;

mod list;
mod show;

mod correct;
mod discard;
mod jobs;
mod reopen;
mod replay;

mod progress;
mod table;

use anyhow::Result;
use careq_console::audit::{Actor, Origin};
use careq_shared::config::Config;
use careq_shared::seal::{self, KeysError, Seal};
use sea_orm::DatabaseConnection;
use serde::Serialize;

use crate::arguments::Output;
use crate::environment::print;
use crate::migrate;
use arguments::As;
pub(crate) use arguments::DeadLettersCommand;

/// What the commands work with.
struct Operations<'process> {
    config: &'process Config,
    database: DatabaseConnection,
}

impl Operations<'_> {
    /// The keys of payloads; asked for only by what looks into one.
    fn seal(&self) -> Result<Seal, KeysError> {
        seal::open(self.config)
    }
}

pub(crate) async fn run(config: &Config, command: DeadLettersCommand) -> Result<()> {
    let operations = Operations { config, database: migrate::connect(config).await? };
    match command {
        DeadLettersCommand::List(list) => list::run(&operations, list).await,
        DeadLettersCommand::Show(show) => show::run(&operations, show).await,
        DeadLettersCommand::Replay(replay) => replay::run(&operations, replay).await,
        DeadLettersCommand::Correct(correct) => correct::run(&operations, correct).await,
        DeadLettersCommand::Discard(discard) => discard::run(&operations, discard).await,
        DeadLettersCommand::Reopen(reopen) => reopen::run(&operations, reopen).await,
        DeadLettersCommand::Audit(audit) => audit::run(&operations, audit).await,
        DeadLettersCommand::Jobs { command, output } => jobs::run(&operations, command, output).await,
    }
}

/// Who acts: the user of the machine, whatever name is given besides.
fn actor(named: As) -> Actor {
    let user = Actor::of_process(Origin::CommandLine);
    match named.name {
        Some(name) => Actor { name: format!("{name}, as {}", user.name), ..user },
        None => user,
    }
}

fn show_as(output: Output, as_json: &impl Serialize, for_people: impl FnOnce() -> String) -> Result<()> {
    print(&if output.json { serde_json::to_string(as_json)? } else { for_people() });
    Ok(())
}
