//! The folder of the embedded database and queue: write access, privacy and free space. Skipped if neither is used.

use std::path::Path;

use careq_shared::config::{BrokerKind, Config};
use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;
use secrecy::ExposeSecret as _;

use crate::finding::Finding;
use crate::private_file::{Ownership, quoted};

/// The files of database and queue, with their write-ahead logs.
const FILES: [&str; 4] = ["careq.db", "careq.db-wal", "queue.db", "queue.db-wal"];

const MIB: u64 = 1_048_576;

/// Below this free space, a burst may not fit: SQLite's write-ahead log alone takes some hundred MiB.
const WARN_BELOW_MIB: u64 = 1_024;

/// Below this free space, the next webhooks may be refused.
const ERROR_BELOW_MIB: u64 = 100;

pub(crate) fn examine(config: &Config) -> Vec<Finding> {
    let is_used =
        config.database.url.expose_secret().is_empty() || config.broker.kind() == BrokerKind::Embedded;
    if !is_used {
        return Vec::new();
    }
    let folder = &config.data.dir;
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {
            let private = private(folder, &Ownership::of(&metadata));
            [writable(folder), free_space(folder)].into_iter().chain(private).collect()
        }
        Ok(_) => vec![unusable(folder, "is no folder")],
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => {
            let place = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            let seen = format!("the first start makes {}", place.display());
            vec![Finding::well("data_folder.not_made_yet", seen)]
        }
        Err(reason) => vec![unusable(folder, &format!("cannot be looked at: {reason}"))],
    }
}

fn unusable(folder: &Path, why: &str) -> Finding {
    Finding::error("data_folder.unusable", format!("the data folder {} {why}", folder.display()))
        .means("careq-sync does not start")
        .remedy("set data.dir (CAREQ_DATA_DIR) to a folder that the user of careq-sync can write")
}

fn writable(folder: &Path) -> Finding {
    if let Err(reason) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        return unusable(folder, &format!("cannot be written by this user: {reason}"));
    }
    // A restored backup may belong to another user.
    for name in FILES {
        match access(folder.join(name), Access::READ_OK | Access::WRITE_OK) {
            Err(reason) if reason != Errno::NOENT => {
                return unusable(folder, &format!("has {name}, which this user cannot write: {reason}"));
            }
            _ => {}
        }
    }
    Finding::well("data_folder.well", format!("{} can be written", folder.display()))
}

fn free_space(folder: &Path) -> Finding {
    let free_mib = match statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) / MIB,
        Err(reason) => {
            return Finding::not_examined(
                "data_folder.room_unknown",
                format!("free disk space is not known: {reason}"),
            )
            .remedy(format!("look at `df {}`", quoted(folder)));
        }
    };
    let seen = format!("{free_mib} MiB are free on the disk of {}", folder.display());
    let remedy = "make room on it, or set data.dir (CAREQ_DATA_DIR) to a larger disk";
    match free_mib {
        ..ERROR_BELOW_MIB => Finding::error("data_folder.full", seen)
            .means("when the disk is full, webhooks are answered 503 and nothing is stored")
            .remedy(remedy),
        ERROR_BELOW_MIB..WARN_BELOW_MIB => {
            Finding::warning("data_folder.little_room", seen).means("a burst may fill it").remedy(remedy)
        }
        WARN_BELOW_MIB.. => Finding::well("data_folder.room", seen),
    }
}

fn private(folder: &Path, ownership: &Ownership) -> Vec<Finding> {
    let open = ownership.open_to_others().map(|mode| {
        Finding::warning("data_folder.open_to_others", format!("{} has the mode {mode}", folder.display()))
            .means("other users of this machine may read the database and the queue: all but what is sealed is in \
                    clear")
            .remedy(format!("chmod 700 {}", quoted(folder)))
    });
    let foreign = ownership.of_another_user().map(|(owner, own)| {
        let seen = format!("{} belongs to the user {owner}, and this runs as {own}", folder.display());
        Finding::warning("data_folder.of_somebody_else", seen)
            .means("whether careq-sync can write it, only its own user can see")
            .remedy("run `careq-sync doctor` as the user that runs careq-sync")
    });
    open.into_iter().chain(foreign).collect()
}
