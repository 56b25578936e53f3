//! A disk that fails on command, without root and without a separate file system. `faulty_disk.c` is preloaded into a
//! process and fails its write calls.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::{NamedTempFile, TempPath};

/// Error of a disk, as errno(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// EIO.
    Io = 5,
    /// ENOSPC.
    Full = 28,
    /// EROFS. Many file systems become read-only after an I/O error.
    ReadOnly = 30,
    /// EDQUOT.
    Quota = 122,
}

impl DiskFault {
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::Io, Self::ReadOnly, Self::Quota];
}

/// The disk of all files whose paths begin with `below`.
pub(crate) struct FaultyDisk {
    below: String,
    control: PathBuf,
    _removed_at_the_end: Option<TempPath>,
}

impl FaultyDisk {
    /// A disk that works until it is set to fail.
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

    /// The disk with which this process was started.
    pub(crate) fn inherited() -> Self {
        #[expect(clippy::disallowed_methods, reason = "it is no setting of the program")]
        let [below, control] =
            ["TEST_DISK_BELOW", "TEST_DISK_CONTROL"].map(|name| std::env::var(name).unwrap());
        Self { below, control: control.into(), _removed_at_the_end: None }
    }

    /// Environment variables for a process.
    pub(crate) fn settings(&self) -> [(&str, &str); 3] {
        [
            ("LD_PRELOAD", library().to_str().unwrap()),
            ("TEST_DISK_BELOW", &self.below),
            ("TEST_DISK_CONTROL", self.control.to_str().unwrap()),
        ]
    }

    /// Fails every write call.
    pub(crate) fn fails(&self, fault: DiskFault) {
        self.fails_later(fault, 0, i32::MAX);
    }

    /// Lets `succeeding` calls succeed, fails the next `failing` calls, and lets later ones succeed.
    pub(crate) fn fails_later(&self, fault: DiskFault, succeeding: i32, failing: i32) {
        // The error is set last, because it enables the two counters.
        self.control([0, succeeding, failing]);
        self.control([fault as i32, succeeding, failing]);
    }

    pub(crate) fn works(&self) {
        self.control([0, 0, 0]);
    }

    /// Writes in place, because processes have mapped the file.
    fn control(&self, values: [i32; 3]) {
        let file = File::options().write(true).open(&self.control).unwrap();
        file.write_all_at(values.map(i32::to_ne_bytes).as_flattened(), 0).unwrap();
    }
}

/// Compiles the library once per test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/harness/faulty_disk.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join("faulty_disk.so");
        // Another test program may be using the old library.
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
