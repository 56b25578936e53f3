//! Dead letters: their rows, the statements that change them, and the events that wait again when a late parent arrives. The causes are
//! decided in `transaction/dead_letter.rs`.

pub(crate) mod keep;
pub(crate) mod late_parents;
pub(crate) mod resolved;
pub(crate) mod row;
pub(crate) mod write;
