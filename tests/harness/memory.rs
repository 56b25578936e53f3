//! What a process holds, as the kernel counts it.

use super::Process;

/// Bytes of a mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

/// The most memory that the process ever had, in bytes.
pub(crate) fn peak_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// The memory that the process has now, in bytes.
pub(crate) fn resident_bytes(process: &Process) -> u64 {
    status_bytes(process, "VmRSS:")
}

/// proc(5), `/proc/[pid]/status`.
fn status_bytes(process: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Files and connections that the process has open.
pub(crate) fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().count()
}
