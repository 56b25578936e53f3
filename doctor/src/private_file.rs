//! The permissions of files that only their user may read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The mode bits of group and others.
const GROUP_AND_OTHERS: u32 = 0o077;

/// The mode and owner of a file or folder.
pub(crate) struct Ownership {
    mode: u32,
    owner: u32,
    current_user: u32,
}

impl Ownership {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let current_user = rustix::process::geteuid().as_raw();
        Self { mode: metadata.mode() & 0o7777, owner: metadata.uid(), current_user }
    }

    /// The mode, if it grants access to others.
    pub(crate) fn open_to_others(&self) -> Option<String> {
        (self.mode & GROUP_AND_OTHERS != 0).then(|| format!("{:04o}", self.mode))
    }

    /// The ids of the owner and the current user, if they differ.
    pub(crate) fn of_another_user(&self) -> Option<(u32, u32)> {
        (self.owner != self.current_user).then_some((self.owner, self.current_user))
    }
}

/// A path, quoted for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
