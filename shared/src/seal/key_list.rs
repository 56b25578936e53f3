//! The text format of keys, and the choice between the setting and the key file. Messages name the source, and never
//! a key.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::cipher::{NamedKey, Seal};
use super::sealed::is_key_id;
use crate::data_folder::FolderError;

/// The reason why a process has no keys, and the remedy.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeysError {
    /// Nothing is set, and the database is not the embedded one.
    #[error(
        "there is no key to seal with: set seal.keys (CAREQ_SEAL_KEYS) to NAME:KEY, where KEY is what `openssl rand -base64 \
         32` prints, or seal.key_file (CAREQ_SEAL_KEY_FILE); the same for every process on this database"
    )]
    Missing,
    #[error("set either seal.keys or seal.key_file, not both")]
    Both,
    #[error("{0}: {NOT_KEYS}")]
    Malformed(String),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the key file {file} cannot be used: {reason}")]
    File { file: String, reason: std::io::Error },
}

const NOT_KEYS: &str = "every key must be NAME:KEY, with a name of 1 to 32 letters, digits, - and _ that no other key has, \
                        and 32 bytes in base64";

/// The source of a process's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// `seal.keys`.
    Setting,
    /// `seal.key_file`.
    File,
    /// The file in the data folder, which is created at the first start.
    DataFolder,
}

impl KeySource {
    /// Chooses the source from `seal.keys`, `seal.key_file` and `database.url`. Only the embedded database has a key
    /// file of its own.
    ///
    /// # Errors
    /// Both settings are set, or neither is and the database is not the embedded one.
    pub(crate) fn choose(
        keys: &SecretString,
        file: &Path,
        database_url: &SecretString,
    ) -> Result<Self, KeysError> {
        match (keys.expose_secret().is_empty(), file.as_os_str().is_empty()) {
            (false, false) => Err(KeysError::Both),
            (false, true) => Ok(Self::Setting),
            (true, false) => Ok(Self::File),
            (true, true) if database_url.expose_secret().is_empty() => Ok(Self::DataFolder),
            (true, true) => Err(KeysError::Missing),
        }
    }
}

/// Whether a text holds usable keys, separated by commas or line breaks. Lines that begin with `#` are comments.
pub fn is_well_formed(keys: &SecretString) -> bool {
    read(keys, "").is_ok()
}

pub(super) fn read(keys: &SecretString, from: &str) -> Result<Seal, KeysError> {
    let malformed = || KeysError::Malformed(from.to_owned());
    let lines = keys.expose_secret().lines().filter(|line| !line.trim_start().starts_with('#'));
    let entries = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty());
    let keys: Vec<_> = entries.map(key).collect::<Option<_>>().ok_or_else(malformed)?;
    let is_repeated = |key: &NamedKey| keys.iter().filter(|other| other.id == key.id).count() > 1;
    if keys.iter().any(is_repeated) {
        return Err(malformed());
    }
    let mut keys = keys.into_iter();
    let current = keys.next().ok_or_else(malformed)?;
    Ok(Seal { current, former: keys.collect() })
}

fn key(entry: &str) -> Option<NamedKey> {
    let (id, key) = entry.split_once(':')?;
    let key = STANDARD.decode(key.trim()).ok()?.try_into().ok()?;
    is_key_id(id).then(|| NamedKey::new(id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_source_and_only_the_embedded_database_makes_its_own() {
        let source = |keys: &str, file: &str, database_url: &str| {
            KeySource::choose(&keys.into(), Path::new(file), &database_url.into())
        };
        assert_eq!(source("a:b", "", "postgres://db/careq").unwrap(), KeySource::Setting);
        assert_eq!(source("", "keys", "postgres://db/careq").unwrap(), KeySource::File);
        assert_eq!(source("", "", "").unwrap(), KeySource::DataFolder);
        assert!(matches!(source("a:b", "keys", ""), Err(KeysError::Both)));
        assert!(matches!(source("", "", "postgres://db/careq"), Err(KeysError::Missing)));
    }
}
