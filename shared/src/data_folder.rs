//! The folder of the embedded database, its queue and its keys, made where it is missing. It must never be made so that other users
//! of the machine can look into it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes the folder, and those above it, unless they are there; the owner alone may enter what was made.
///
/// # Errors
/// Those of the file system.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn nobody_else_may_enter_what_was_made() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        for _ in 0..2 {
            super::make(&folder).unwrap();
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
