//! A disk that fails on command, without root and without a file system of its own: `faulty_disk.c` is preloaded into a process and
//! fails its calls that write.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::{NamedTempFile, TempPath};

/// How a disk fails, as errno(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// EIO
    Io = 5,
    /// ENOSPC
    Full = 28,
    /// EROFS: many file systems become read-only after an I/O error.
    ReadOnly = 30,
    /// EDQUOT
    Quota = 122,
}

impl DiskFault {
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Io, Self::ReadOnly, Self::Quota];
}

/// The disk of the files whose paths begin with `below`.
pub(crate) struct FaultyDisk {
    below: String,
    control: PathBuf,
    _removed_at_the_end: Option<TempPath>,
}

impl FaultyDisk {
    /// Works until told otherwise.
    pub(crate) fn below(path: &Path) -> Self {
        let control = NamedTempFile::new().unwrap().into_temp_path();
        let disk = Self {
            below: path.display().to_string(),
            control: control.to_path_buf(),
            _removed_at_the_end: Some(control),
        };
        File::create(&disk.control).unwrap().write_all_at(&[0; 12], 0).unwrap();
        disk
    }

    /// The disk that this process was started with.
    pub(crate) fn inherited() -> Self {
        #[expect(clippy::disallowed_methods, reason = "it is no setting of the program")]
        let [below, control] =
            ["TEST_DISK_BELOW", "TEST_DISK_CONTROL"].map(|name| std::env::var(name).unwrap());
        Self { below, control: control.into(), _removed_at_the_end: None }
    }

    /// For the environment of a process.
    pub(crate) fn settings(&self) -> [(&str, &str); 3] {
        [
            ("LD_PRELOAD", library().to_str().unwrap()),
            ("TEST_DISK_BELOW", &self.below),
            ("TEST_DISK_CONTROL", self.control.to_str().unwrap()),
        ]
    }

    /// Every call that writes fails.
    pub(crate) fn fails(&self, fault: DiskFault) {
        self.fails_later(fault, 0, i32::MAX);
    }

    /// So many calls succeed, so many fail then, and later ones succeed.
    pub(crate) fn fails_later(&self, fault: DiskFault, succeeding: i32, failing: i32) {
        // The error comes last: it is what makes the other two count.
        self.control([0, succeeding, failing]);
        self.control([fault as i32, succeeding, failing]);
    }

    pub(crate) fn works(&self) {
        self.control([0, 0, 0]);
    }

    /// In place: processes have mapped the file.
    fn control(&self, values: [i32; 3]) {
        let file = File::options().write(true).open(&self.control).unwrap();
        file.write_all_at(values.map(i32::to_ne_bytes).as_flattened(), 0).unwrap();
    }
}

/// Compiled once a test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/harness/faulty_disk.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join("faulty_disk.so");
        // Another test program may use the old one at this moment.
        let fresh = NamedTempFile::new_in(folder).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([fresh.path(), &source])
            .status()
            .expect("cc cannot be used for tests; `make servers` installs it");
        assert!(compiled.success());
        fresh.persist(&library).unwrap();
        library
    })
}
