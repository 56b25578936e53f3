//! Whether the keys open a sample of values of every sealed column.

use careq_shared::database::read;
use careq_shared::seal::{self, Sample, Seal};
use sea_orm::{DatabaseConnection, DbErr};

use crate::finding::{Finding, or_query_failed};

pub(crate) async fn examine(database: &DatabaseConnection, seal: &Seal) -> Vec<Finding> {
    or_query_failed(look(database, seal).await)
}

async fn look(database: &DatabaseConnection, seal: &Seal) -> Result<Vec<Finding>, DbErr> {
    let Sample { opened, unknown_keys, damaged } = read(|| seal::sample(database, seal)).await?;
    let mut findings: Vec<_> = unknown_keys.iter().map(|(key, values)| unknown(key, *values)).collect();
    if damaged > 0 {
        findings.push(unopened(opened, damaged));
    }
    if findings.is_empty() {
        findings.push(Finding::well(
            "sealed.well",
            format!("{opened} sealed values were tried, and all of them open"),
        ));
    }
    Ok(findings)
}

fn unknown(key: &str, values: u64) -> Finding {
    Finding::error(
        "sealed.unknown_key",
        format!("{values} values of a sample are sealed under the key {key}, which is not among the keys"),
    )
    .means("clinics with such values are answered 401, and events that wait stay where they are")
    .remedy(format!(
        "add the key {key} to seal.keys (CAREQ_SEAL_KEYS) or the key file, from its copy, and restart \
         every process"
    ))
}

fn unopened(opened: u64, damaged: u64) -> Finding {
    let seen = format!("{damaged} values of a sample do not open, {opened} do");
    let finding = Finding::error("sealed.unopened", seen);
    if opened == 0 {
        return finding
            .means("a key has the name of the right one and is another: nothing that is sealed can be opened")
            .remedy(
                "take the key from the copy that was kept with this database, and restart every process",
            );
    }
    finding
        .means("they were changed or moved in the database, or a key was replaced under its old name")
        .remedy("where a key was replaced, give the new one a name of its own and add the old one again; otherwise \
                 ask who has written to the database")
}
