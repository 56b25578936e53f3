//! `careq-sync audit verify`: is the audit log as it was written? It must never end as a success while an entry is not.

use anyhow::{Result, bail};
use careq_console::audit;
use careq_shared::config::Config;

use crate::arguments::AuditCommand;
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: AuditCommand) -> Result<()> {
    let AuditCommand::Verify(output) = command;
    let verified = audit::verify(&migrate::connect(config).await?).await?;
    if output.json {
        print(&serde_json::to_string(&verified)?);
    } else {
        print(&format!(
            "{} entries hold; the last one is {}, with the digest {}.",
            verified.entries, verified.sequence, verified.digest
        ));
        if verified.unchained > 0 {
            print(&format!(
                "Of {} entries, which an earlier version wrote, nothing can be said.",
                verified.unchained
            ));
        }
    }
    match verified.broken {
        Some(broken) => bail!("the audit log is not as it was written: {broken}"),
        None => Ok(()),
    }
}
