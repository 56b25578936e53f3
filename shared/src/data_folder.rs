//! The folder of the embedded database, its queue and its keys. It is created for its owner alone (a test checks).

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The folder cannot be created.
#[derive(Debug, thiserror::Error)]
#[error(
    "the data folder {0} cannot be made: {1}. Set data.dir (CAREQ_DATA_DIR) to a folder that can be written"
)]
pub struct FolderError(String, io::Error);

/// Creates the folder and its parents if they are missing. Only the owner may enter a created folder.
pub(crate) fn make(folder: &Path) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|reason| FolderError(folder.display().to_string(), reason))
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
