//! The audit log: `careq-sync audit verify` verifies its hash chain, and fails if an entry was changed, removed or inserted;
//! `careq-sync dead-letters audit` lists its entries.

use anyhow::{Result, bail};
use careq_console::audit::{self, Entry};
use careq_console::{PageRequest, ShortId};
use careq_shared::config::Config;
use sea_orm::DatabaseConnection;
use serde_json::{Map, Value, json};

use crate::arguments::output::Output;
use crate::arguments::program::AuditCommand;
use crate::migrate;
use crate::table::{or_dash, table, time};

pub(crate) async fn run(config: &Config, command: AuditCommand) -> Result<()> {
    let AuditCommand::Verify(output) = command;
    let verification = audit::verify(&migrate::connect(config).await?).await?;
    output.print(&verification, || {
        let unchained = match verification.unchained {
            0 => String::new(),
            entries => format!("\n{entries} entries are older than the chain and cannot be verified."),
        };
        format!(
            "{} entries verified; the last one is {}, with the digest {}.{unchained}",
            verification.entries, verification.sequence, verification.digest
        )
    })?;
    match verification.broken {
        Some(broken) => bail!("the audit log was changed after it was written: {broken}"),
        None => Ok(()),
    }
}

pub(crate) async fn list(database: &DatabaseConnection, limit: u64, output: Output) -> Result<()> {
    let entries = audit::list(database, PageRequest::first(limit)).await?.items;
    let row = |entry: &Entry| {
        [
            time(entry.at),
            entry.actor.clone(),
            entry.action.clone(),
            or_dash(entry.letter_id.map(ShortId::shorten)),
            or_dash(entry.job_id.map(ShortId::shorten)),
            or_dash(entry.letters),
            or_dash(Some(&entry.details).filter(|details| !is_empty(details))),
        ]
    };
    output.print(&json!({ "audit": entries }), || {
        let head = ["TIME", "ACTOR", "ACTION", "LETTER", "JOB", "LETTERS", "DETAILS"];
        table(head, entries.iter().map(row)).unwrap_or_else(|| "The audit log has no entries.".to_owned())
    })
}

fn is_empty(details: &Value) -> bool {
    details.is_null() || details.as_object().is_some_and(Map::is_empty)
}
