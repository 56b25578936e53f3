//! Whether a file is its user's alone.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// What the system says of a file or folder.
pub(crate) struct Ownership {
    mode: u32,
    owner: u32,
    own: u32,
}

impl Ownership {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self { mode: metadata.mode() & 0o7777, owner: metadata.uid(), own }
    }

    /// The mode, where it lets others in.
    pub(crate) fn open_to_others(&self) -> Option<String> {
        (self.mode & OTHERS != 0).then(|| format!("{:04o}", self.mode))
    }

    /// The owner's number and ours, where they differ.
    pub(crate) fn of_somebody_else(&self) -> Option<(u32, u32)> {
        (self.owner != self.own).then_some((self.owner, self.own))
    }
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
