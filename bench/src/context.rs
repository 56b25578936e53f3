//! Context of every measurement: the sizes and the programs.

use crate::process::Programs;
use crate::sizes::Sizes;

/// See the module.
pub(crate) struct Context {
    pub(crate) sizes: Sizes,
    pub(crate) programs: Programs,
}
