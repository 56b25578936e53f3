//! Arguments that commands share: the output format, and the actor.

use anyhow::Result;
use careq_shared::audit::{Actor, Origin};
use clap::Args;
use serde::Serialize;

use super::values;
use crate::environment::print;

/// The output format.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Prints JSON, for scripts.
    #[arg(long, global = true)]
    json: bool,
}

impl Output {
    /// Prints a result as JSON or as text.
    pub(crate) fn print(self, as_json: &impl Serialize, as_text: impl FnOnce() -> String) -> Result<()> {
        print(&if self.json { serde_json::to_string(as_json)? } else { as_text() });
        Ok(())
    }
}

/// The actor for the audit log.
#[derive(Debug, Args)]
pub(crate) struct Acting {
    /// Name of the actor for the audit log, in addition to the user of the machine.
    #[arg(long = "as", value_name = "NAME", value_parser = values::name)]
    name: Option<String>,
}

impl Acting {
    /// The user of the machine, with the given name in front, if any.
    pub(crate) fn actor(&self) -> Actor {
        let user = Actor::process_user(Origin::CommandLine);
        match &self.name {
            Some(name) => Actor { name: format!("{name}, as {}", user.name), ..user },
            None => user,
        }
    }
}
