//! The sealing keys: whether they exist, are valid, and are private. Keys are not shown.

use std::path::Path;

use careq_shared::config::Config;
use careq_shared::seal::{self, KeysError, Seal};

use crate::finding::Finding;
use crate::private_file::{Ownership, quoted};
use crate::report::Reached;

pub(crate) fn examine(config: &Config) -> Reached<Seal> {
    let Some(file) = seal::file(config) else { return opened(config) };
    match std::fs::metadata(&file) {
        Ok(metadata) => {
            let (mut findings, seal) = opened(config);
            findings.extend(private(&file, &Ownership::of(&metadata)));
            (findings, seal)
        }
        Err(_) if config.seal.key_file.as_os_str().is_empty() => (vec![absent(config, &file)], None),
        Err(reason) => (vec![unusable(&KeysError::File { file: file.display().to_string(), reason })], None),
    }
}

fn opened(config: &Config) -> Reached<Seal> {
    match seal::open(config) {
        Ok(seal) => {
            let seen = format!("the key {} seals", seal.current_key());
            (vec![Finding::well("keys.well", seen)], Some(seal))
        }
        Err(fault) => (vec![unusable(&fault)], None),
    }
}

fn unusable(fault: &KeysError) -> Finding {
    Finding::error("keys.unusable", fault.to_string())
        .means("no process but `migrate` starts, and what is sealed could not be examined")
        .remedy(
            "give every process the keys that the database was sealed with; there is a copy of them apart from \
             its backup, if README was followed",
        )
}

/// The default key file is missing: the first start creates it, or it was lost.
fn absent(config: &Config, file: &Path) -> Finding {
    let file = file.display();
    if config.data.dir.join("careq.db").exists() {
        return Finding::error("keys.lost", format!("there is a database, and its key file {file} is gone"))
            .means("a start would make a new key, with which nothing that is sealed can be opened")
            .remedy("put the file back from its copy before anything is started");
    }
    Finding::well("keys.not_made_yet", format!("the first start makes {file}"))
}

fn private(file: &Path, ownership: &Ownership) -> Vec<Finding> {
    let open = ownership.open_to_others().map(|mode| {
        Finding::error("keys.open_to_others", format!("the key file {} has the mode {mode}", file.display()))
            .means("other users can read the keys, and with them every sealed value")
            .remedy(format!(
                "chmod 600 {}; if another user may have read it, rotate the key (README)",
                quoted(file)
            ))
    });
    let foreign = ownership.of_another_user().map(|(owner, own)| {
        let seen =
            format!("the key file {} belongs to the user {owner}, and this runs as {own}", file.display());
        Finding::warning("keys.of_somebody_else", seen)
            .means("whether the processes can read it, only their own user can see")
            .remedy("run `careq-sync doctor` as the user that runs careq-sync")
    });
    open.into_iter().chain(foreign).collect()
}
