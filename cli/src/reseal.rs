//! `careq-sync reseal`: the second half of a key's rotation. It must never report success while a value is left under an old key.

use anyhow::{Result, bail};
use careq_shared::config::Config;
use careq_shared::seal;
use serde_json::json;

use crate::arguments::Output;
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, output: Output) -> Result<()> {
    let keys = seal::open(config)?;
    let database = migrate::connect(config).await?;
    let report = seal::anew(&database, &keys).await?;
    let (key, sealed, left) = (keys.current_key(), report.sealed, report.left);
    print(&if output.json {
        json!({ "key": key, "sealed": sealed, "left": left, "reasons": report.unopened }).to_string()
    } else {
        format!("{sealed} values are now sealed under the key {key}; {left} are still under another.")
    });
    if left > 0 {
        let reasons: Vec<_> =
            report.unopened.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        bail!(
            "{left} values are still under another key: keep the old keys, restart every process with the new one in front, and \
             run this again. {}",
            reasons.join("; ")
        );
    }
    Ok(())
}
