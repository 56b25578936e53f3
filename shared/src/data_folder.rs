//! The folder of the embedded database, its queue and its keys. It is created for its owner alone (a test checks).

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Creates the folder and its parents if they are missing. Only the owner may enter a created folder.
///
/// # Errors
/// The file system's own error.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_the_owner_may_enter_a_created_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        for _ in 0..2 {
            super::make(&folder).unwrap();
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
