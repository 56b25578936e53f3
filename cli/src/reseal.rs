//! `careq-sync reseal`: the second step of a key rotation. It fails if a value remains under an old key.

use anyhow::{Result, bail};
use careq_shared::audit::{self, Action, Actor, Deed, Origin};
use careq_shared::config::Config;
use careq_shared::database;
use careq_shared::seal::{self, Report};
use sea_orm::DatabaseConnection;
use serde_json::json;

use crate::arguments::output::Output;
use crate::migrate;

pub(crate) async fn run(config: &Config, output: Output) -> Result<()> {
    let keys = seal::open(config)?;
    let database = migrate::connect(config).await?;
    let report = seal::reencrypt(&database, &keys).await?;
    note(&database, &report, keys.current_key()).await?;
    let (key, sealed, left) = (keys.current_key(), report.sealed, report.left);
    let as_json = json!({ "key": key, "sealed": sealed, "left": left, "reasons": report.unopened });
    output.print(&as_json, || {
        format!("{sealed} values are now sealed under the key {key}; {left} are still under another key.")
    })?;
    if left > 0 {
        let reasons: Vec<_> =
            report.unopened.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        bail!(
            "{left} values are still under another key: keep the old keys, restart every process with the new key first, and \
             repeat. {}",
            reasons.join("; ")
        );
    }
    Ok(())
}

/// Writes the audit entry with the totals. The values themselves are committed in steps before it.
async fn note(database: &DatabaseConnection, report: &Report, key: &str) -> Result<()> {
    let transaction = database::begin_write(database).await?;
    let details = json!({ "key": key, "sealed": report.sealed, "left": report.left });
    let deed = Deed { details, ..Deed::new(Action::Reseal) };
    audit::note(&transaction, &Actor::process_user(Origin::CommandLine), deed).await?;
    Ok(transaction.commit().await?)
}
