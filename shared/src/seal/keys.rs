//! The keys of a process: from the settings, from a key file, or, for the embedded database, from a file that is
//! created at the first start. Only its owner can read that file (a test checks).

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cipher::Seal;
use super::key_list::{KeySource, KeysError, read};
use crate::config::Config;
use crate::data_folder;

/// The name of the key file in the data folder.
const OWN_FILE: &str = "seal.keys";

/// A function that opens the keys of the process. It is called only if a value must be sealed.
pub type Keys<'keys> = &'keys (dyn Fn() -> Result<Seal, KeysError> + Sync);

/// Opens the keys of this process.
///
/// # Errors
/// There are no keys, or they cannot be used. The message says what to do.
pub fn open(config: &Config) -> Result<Seal, KeysError> {
    match source(config)? {
        KeySource::Setting => read(&config.seal.keys, "seal.keys"),
        KeySource::File => read_file(&config.seal.key_file),
        KeySource::DataFolder => open_own(&config.data.dir),
    }
}

/// The file that the keys of this process come from; `None` if they come from a setting or from nowhere.
pub fn file(config: &Config) -> Option<PathBuf> {
    match source(config) {
        Ok(KeySource::File) => Some(config.seal.key_file.clone()),
        Ok(KeySource::DataFolder) => Some(config.data.dir.join(OWN_FILE)),
        Ok(KeySource::Setting) | Err(_) => None,
    }
}

fn source(config: &Config) -> Result<KeySource, KeysError> {
    KeySource::choose(&config.seal.keys, &config.seal.key_file, &config.database.url)
}

/// Opens the embedded database's own key file, and creates it if it is missing.
fn open_own(folder: &Path) -> Result<Seal, KeysError> {
    data_folder::make(folder)?;
    let file = folder.join(OWN_FILE);
    if let Err(reason) = make(&file)
        && reason.kind() != ErrorKind::AlreadyExists
    {
        return Err(KeysError::File { file: file.display().to_string(), reason });
    }
    read_file(&file)
}

/// Creates the file under another name first, so that an existing file is complete.
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
    // The name is random. If the file is lost and created again, old values name a missing key instead of failing as
    // damaged.
    writeln!(written, "own-{:08x}:{}", rand::random::<u32>(), STANDARD.encode(bytes))?;
    written.sync_all()?;
    // Unlike a rename, a hard link never replaces the file of a faster process.
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    linked
}

fn read_file(file: &Path) -> Result<Seal, KeysError> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(keys) => read(&keys.into(), &name),
        Err(reason) => Err(KeysError::File { file: name, reason }),
    }
}
