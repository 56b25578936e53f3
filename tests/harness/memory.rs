//! Memory and open files of a process, as counted by the kernel.

use super::Process;

/// Bytes per mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

/// Peak memory of a process, in bytes.
pub(crate) fn peak_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// Current memory of a process, in bytes.
pub(crate) fn resident_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmRSS:")
}

/// A field of `/proc/[pid]/status` (proc(5)).
fn status_bytes(process: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Number of open files and connections of a process.
pub(crate) fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().count()
}
