//! The sealing keys: whether they exist, are private, and open the sealed values. Keys are not shown.

use std::path::Path;

use careq_shared::config::Config;
use careq_shared::database::read;
use careq_shared::seal::{self, Sample, Seal};
use sea_orm::{DatabaseConnection, DbErr};

use crate::data_folder::{foreign_owner, mode_open_to_others, quoted};
use crate::report::{Finding, Reached};

/// `user`: the effective user of the doctor.
pub(crate) fn examine(config: &Config, user: u32) -> Reached<Seal> {
    let file = seal::file(config);
    if let Some(file) = &file
        && config.seal.key_file.as_os_str().is_empty()
        && !file.try_exists().unwrap_or(true)
    {
        // Opening the keys would create the file.
        return (vec![missing(config, file)], None);
    }
    let opened = seal::open(config);
    let finding = match &opened {
        Ok(seal) => Finding::well("keys.well", format!("the current key is {}", seal.current_key())),
        Err(fault) => Finding::error("keys.unusable", fault.to_string())
            .means("no process but `migrate` starts; sealed values were not examined")
            .remedy(
                "give every process the keys that the database was sealed with, from the copy of the keys",
            ),
    };
    let exposed = file.as_deref().and_then(open_to_others);
    let foreign = foreign_owner("keys.of_another_user", file.as_deref(), user);
    (std::iter::once(finding).chain(exposed).chain(foreign).collect(), opened.ok())
}

/// The key file in the data folder is missing: the first start creates it, or it was lost.
fn missing(config: &Config, file: &Path) -> Finding {
    let file = file.display();
    if config.data.dir.join("careq.db").exists() {
        return Finding::error(
            "keys.lost",
            format!("the database exists, and its key file {file} is missing"),
        )
        .means("a start would create a new key, which opens none of the sealed values")
        .remedy("put the file back from its copy before any process is started");
    }
    Finding::well("keys.not_made_yet", format!("the first start creates {file}"))
}

fn open_to_others(file: &Path) -> Option<Finding> {
    let seen = format!("the key file {} has the mode {}", file.display(), mode_open_to_others(file)?);
    let finding = Finding::error("keys.open_to_others", seen)
        .means("other users can read the keys, and with them every sealed value")
        .remedy(format!("chmod 600 {}; if another user may have read it, rotate the key", quoted(file)));
    Some(finding)
}

/// Opens a sample of values of every sealed column.
pub(crate) async fn examine_sealed(
    database: &DatabaseConnection,
    seal: &Seal,
) -> Result<Vec<Finding>, DbErr> {
    let Sample { opened, unknown_keys, damaged } = read(|| seal::sample(database, seal)).await?;
    let unknown = unknown_keys.iter().map(|(key, values)| {
        Finding::error("sealed.unknown_key", format!("{values} values of a sample are sealed under the missing key {key}"))
            .means("clinics with such values are answered 401, and parked events are not processed")
            .remedy(format!(
                "add the key {key} to seal.keys (CAREQ_SEAL_KEYS) or the key file, from its copy, and restart every process"
            ))
    });
    let mut findings: Vec<_> = unknown.collect();
    if damaged > 0 {
        findings.push(
            Finding::error("sealed.unopened", format!("{damaged} values of a sample cannot be opened, {opened} can"))
                .means("a key was replaced under its old name, or the values were changed in the database")
                .remedy(
                    "if a key was replaced, take the key from the copy that was kept with this database, give the new \
                     one another name, and restart every process; otherwise find out who has written to the database",
                ),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::well("sealed.well", format!("all {opened} sealed values of a sample open")));
    }
    Ok(findings)
}
