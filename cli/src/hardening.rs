//! Process hardening before anything else: private files, and no core dumps, which would contain keys and patients' data.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Sets the umask and disables core dumps.
///
/// # Errors
/// The system refuses to disable core dumps. The process logs it and starts.
pub(crate) fn apply() -> Result<(), String> {
    umask(Mode::RWXG | Mode::RWXO);
    let no_dump = Rlimit { current: Some(0), maximum: Some(0) };
    // The limit does not apply to dumps that the kernel pipes to a program (core(5)).
    let disabled =
        setrlimit(Resource::Core, no_dump).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    disabled.map_err(|reason| reason.to_string())
}
