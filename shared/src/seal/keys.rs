//! Where the keys come from: the settings, a key file, or, for the embedded database, a file that is made at the first
//! start. A key must never be readable by anyone but its user, nor appear in a message.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::sealed::is_key_id;
use super::{NamedKey, Seal};
use crate::config::Config;
use crate::data_folder;

/// Beside the embedded database.
const OWN_FILE: &str = "seal.keys";

/// Why there are no keys, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Nothing is set, and the database is not the embedded one.
    #[error(
        "there is no key to seal with: set seal.keys (CAREQ_SEAL_KEYS) to NAME:KEY, where KEY is what `openssl rand -base64 \
         32` prints, or seal.key_file (CAREQ_SEAL_KEY_FILE); the same for every process on this database"
    )]
    Missing,
    /// Both are set.
    #[error("set either seal.keys or seal.key_file, not both")]
    Both,
    /// A key cannot be used.
    #[error("{from}: {NOT_KEYS}")]
    Malformed {
        /// The setting or file.
        from: String,
    },
    /// The file cannot be read or made.
    #[error("the key file {file} cannot be used: {reason}")]
    File {
        /// Its path.
        file: String,
        /// What the system says.
        reason: std::io::Error,
    },
}

const NOT_KEYS: &str = "every key must be NAME:KEY, with a name of 1 to 32 letters, digits, - and _ that no other key has, \
                        and 32 bytes in base64";

/// The keys of this process.
///
/// # Errors
/// There are none, or they cannot be used; with what to do.
pub fn open(config: &Config) -> Result<Seal, KeysError> {
    let (set, file) = (&config.seal.keys, &config.seal.key_file);
    match (set.expose_secret().is_empty(), file.as_os_str().is_empty()) {
        (false, false) => Err(KeysError::Both),
        (false, true) => read(set, "seal.keys"),
        (true, false) => read(&content(file)?, &file.display().to_string()),
        (true, true) if config.database.url.expose_secret().is_empty() => own(&config.data.dir),
        (true, true) => Err(KeysError::Missing),
    }
}

/// Why these settings name no keys, as far as that can be told without reading a file.
pub(crate) fn fault(config: &Config) -> Option<KeysError> {
    let is_set = [config.seal.keys.expose_secret().is_empty(), config.seal.key_file.as_os_str().is_empty()];
    match is_set {
        [false, false] => Some(KeysError::Both),
        [true, true] if !config.database.url.expose_secret().is_empty() => Some(KeysError::Missing),
        _ => None,
    }
}

/// The file that the keys of this process come from, if they come from one.
#[must_use]
pub fn file(config: &Config) -> Option<PathBuf> {
    let is_own = config.database.url.expose_secret().is_empty();
    match (config.seal.keys.expose_secret().is_empty(), config.seal.key_file.as_os_str().is_empty()) {
        (true, false) => Some(config.seal.key_file.clone()),
        (true, true) if is_own => Some(config.data.dir.join(OWN_FILE)),
        _ => None,
    }
}

/// Whether a text holds usable keys, separated by commas or new lines; lines that begin with `#` are comments.
#[must_use]
pub fn is_well_formed(keys: &SecretString) -> bool {
    read(keys, "").is_ok()
}

fn read(keys: &SecretString, from: &str) -> Result<Seal, KeysError> {
    let malformed = || KeysError::Malformed { from: from.to_owned() };
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

/// The embedded database's own key file, made if it is missing.
fn own(folder: &Path) -> Result<Seal, KeysError> {
    let file = folder.join(OWN_FILE);
    if let Err(reason) = data_folder::make(folder).and_then(|()| make(&file))
        && reason.kind() != ErrorKind::AlreadyExists
    {
        return Err(KeysError::File { file: file.display().to_string(), reason });
    }
    read(&content(&file)?, &file.display().to_string())
}

/// Written under another name first: a file that is there is whole.
fn make(file: &Path) -> std::io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    let draft: PathBuf = file.with_extension(format!("{:08x}", rand::random::<u32>()));
    let mut options = std::fs::OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(written, "# The keys of careq-sync's sealed values. Without this file they cannot be read.")?;
    // A name of its own: if this file is lost and another is made, old values name a key that is not there, and say so.
    writeln!(written, "own-{:08x}:{}", rand::random::<u32>(), STANDARD.encode(bytes))?;
    written.sync_all()?;
    // Unlike a renaming, a link never replaces the file of a process that was quicker.
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    linked
}

fn content(file: &Path) -> Result<SecretString, KeysError> {
    let read = std::fs::read_to_string(file);
    read.map(SecretString::from)
        .map_err(|reason| KeysError::File { file: file.display().to_string(), reason })
}
