//! The folder of the embedded database and queue: write access, privacy and free space. Skipped if neither is used.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use careq_shared::config::{BrokerKind, Config};
use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;
use secrecy::ExposeSecret as _;

use crate::report::Finding;

/// The files of database and queue, with their write-ahead logs. A restored backup may belong to another user.
const FILES: [&str; 4] = ["careq.db", "careq.db-wal", "queue.db", "queue.db-wal"];

/// Below this free space, a burst may not fit: SQLite's write-ahead log alone takes some hundred MiB.
const WARN_BELOW_MIB: u64 = 1_024;

/// Below this free space, the next webhooks may be refused.
const ERROR_BELOW_MIB: u64 = 100;

/// `user`: the effective user of the doctor.
pub(crate) fn examine(config: &Config, user: u32) -> Vec<Finding> {
    let folder = config.data.dir.as_path();
    let is_used =
        config.database.url.expose_secret().is_empty() || config.broker.kind() == BrokerKind::Embedded;
    if !is_used {
        return Vec::new();
    }
    if !folder.try_exists().unwrap_or(true) {
        let seen = format!("the first start creates {}", folder.display());
        return vec![Finding::well("data_folder.not_made_yet", seen)];
    }
    let files = FILES.map(|name| folder.join(name));
    let paths = std::iter::once(folder).chain(files.iter().map(PathBuf::as_path));
    let foreign = foreign_owner("data_folder.of_another_user", paths, user);
    [Some(write_access(folder)), foreign, Some(free_space(folder)), open_to_others(folder)]
        .into_iter()
        .flatten()
        .collect()
}

fn write_access(folder: &Path) -> Finding {
    let files = FILES.map(|name| (folder.join(name), Access::READ_OK | Access::WRITE_OK));
    let folder = (folder.to_owned(), Access::WRITE_OK | Access::EXEC_OK);
    for (path, wanted) in std::iter::once(&folder).chain(&files) {
        if let Err(reason) = access(path, *wanted)
            && reason != Errno::NOENT
        {
            let seen = format!("this user cannot write {}: {reason}", path.display());
            return Finding::error("data_folder.unusable", seen).means("careq-sync does not start").remedy(
                "give folder and files to the user of careq-sync, or set data.dir (CAREQ_DATA_DIR) to another folder",
            );
        }
    }
    Finding::well("data_folder.well", format!("{} is writable", folder.0.display()))
}

/// A warning if a path belongs to another user than `user`, whose access may then differ from careq-sync's.
pub(crate) fn foreign_owner<'path>(
    code: &'static str,
    paths: impl IntoIterator<Item = &'path Path>,
    user: u32,
) -> Option<Finding> {
    let (path, owner) = paths.into_iter().find_map(|path| {
        let owner = path.metadata().ok()?.uid();
        (owner != user).then_some((path.display(), owner))
    })?;
    let seen = format!("{path} belongs to the user {owner}, and the doctor runs as {user}");
    let finding = Finding::warning(code, seen)
        .means("the access of the doctor may differ from careq-sync's")
        .remedy(format!("run `careq-sync doctor` as the user of careq-sync, or give {path} to that user"));
    Some(finding)
}

fn free_space(folder: &Path) -> Finding {
    let free_mib = match statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) / 1_048_576,
        Err(reason) => {
            let seen = format!("the free disk space is unknown: {reason}");
            return Finding::not_examined("data_folder.room_unknown", seen)
                .remedy(format!("look at `df {}`", quoted(folder)));
        }
    };
    let seen = format!("{free_mib} MiB are free on the disk of {}", folder.display());
    let finding = match free_mib {
        ..ERROR_BELOW_MIB => Finding::error("data_folder.full", seen),
        ERROR_BELOW_MIB..WARN_BELOW_MIB => Finding::warning("data_folder.little_room", seen),
        WARN_BELOW_MIB.. => return Finding::well("data_folder.room", seen),
    };
    finding
        .means("when the disk is full, webhooks are answered 503 and nothing is stored")
        .remedy("free space on it, or set data.dir (CAREQ_DATA_DIR) to a folder on a larger disk")
}

fn open_to_others(folder: &Path) -> Option<Finding> {
    let seen = format!("{} has the mode {}", folder.display(), mode_open_to_others(folder)?);
    let finding = Finding::warning("data_folder.open_to_others", seen)
        .means("other users may read the database and the queue; only sealed values are encrypted")
        .remedy(format!("chmod 700 {}", quoted(folder)));
    Some(finding)
}

/// The mode of a file or folder, if it grants access to group or others.
pub(crate) fn mode_open_to_others(path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.mode();
    (mode & 0o077 != 0).then(|| format!("{:04o}", mode & 0o7777))
}

/// A path, quoted for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use careq_shared::config;

    use super::*;

    /// Another user is passed instead of an owner that is changed, which only root may do.
    #[test]
    fn another_owner_of_folder_and_key_file_is_named() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let file = format!("{folder}/Cargo.toml");
        let owner = |path: &str| Path::new(path).metadata().unwrap().uid();
        let config =
            |name: &str, value: &str| config::load(None, [(name.to_owned(), value.to_owned())]).unwrap();
        let in_folder = config("CAREQ_DATA_DIR", folder);
        let examine_folder = |user| examine(&in_folder, user);
        let with_file = config("CAREQ_SEAL_KEY_FILE", &file);
        let examine_keys = |user| crate::keys::examine(&with_file, user).0;
        for (code, own, foreign) in [
            ("data_folder.of_another_user", examine_folder(owner(folder)), examine_folder(owner(folder) + 1)),
            ("keys.of_another_user", examine_keys(owner(&file)), examine_keys(owner(&file) + 1)),
        ] {
            let is_named = |findings: &[Finding]| findings.iter().any(|finding| finding.code == code);
            assert!(!is_named(&own), "{own:?}");
            assert!(is_named(&foreign), "{foreign:?}");
        }
    }
}
