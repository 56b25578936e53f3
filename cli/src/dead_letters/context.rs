//! The context of a command: settings, database, actor and output.

use anyhow::Result;
use careq_console::audit::{Actor, Origin};
use careq_shared::config::Config;
use careq_shared::seal::{self, KeysError, Seal};
use sea_orm::DatabaseConnection;
use serde::Serialize;

use crate::arguments::dead_letters::ActorName;
use crate::arguments::output::Output;
use crate::environment::print;

/// The settings and the database.
pub(super) struct Context<'process> {
    pub(super) config: &'process Config,
    pub(super) database: DatabaseConnection,
}

impl Context<'_> {
    /// The keys of payloads, read only by the commands that open one.
    pub(super) fn seal(&self) -> Result<Seal, KeysError> {
        seal::open(self.config)
    }
}

/// The actor: the user of the machine, with the given name in front, if any.
pub(super) fn actor(given: ActorName) -> Actor {
    let user = Actor::of_process(Origin::CommandLine);
    match given.name {
        Some(name) => Actor { name: format!("{name}, as {}", user.name), ..user },
        None => user,
    }
}

/// Prints a result as JSON or as text.
pub(super) fn show_as(
    output: Output,
    as_json: &impl Serialize,
    as_text: impl FnOnce() -> String,
) -> Result<()> {
    print(&if output.json { serde_json::to_string(as_json)? } else { as_text() });
    Ok(())
}
