//! What the process forbids itself before anything else: files that others may read, and copies of its memory, which holds keys and
//! patients' data.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Makes files private, and switches core dumps off. What the system refuses is told; the process starts all the same.
pub(crate) fn apply() -> Result<(), String> {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // The limit alone does not hold for a program that the kernel pipes dumps to (core(5)).
    let switched_off =
        setrlimit(Resource::Core, none).and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    switched_off.map_err(|reason| reason.to_string())
}
