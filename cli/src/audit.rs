//! `careq-sync audit verify`: verifies the hash chain of the audit log. It fails if an entry was changed, removed or inserted.

use anyhow::{Result, bail};
use careq_console::audit;
use careq_shared::config::Config;

use crate::arguments::program::AuditCommand;
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: AuditCommand) -> Result<()> {
    let AuditCommand::Verify(output) = command;
    let verification = audit::verify(&migrate::connect(config).await?).await?;
    if output.json {
        print(&serde_json::to_string(&verification)?);
    } else {
        print(&format!(
            "{} entries hold; the last one is {}, with the digest {}.",
            verification.entries, verification.sequence, verification.digest
        ));
        if verification.unchained > 0 {
            print(&format!(
                "{} entries are older than the chain and cannot be verified.",
                verification.unchained
            ));
        }
    }
    match verification.broken {
        Some(broken) => bail!("the audit log is not as it was written: {broken}"),
        None => Ok(()),
    }
}
