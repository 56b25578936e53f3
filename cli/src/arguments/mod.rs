//! The arguments of the command line: one file for each group of commands.

pub(crate) mod admin;
pub(crate) mod clinic;
pub(crate) mod dead_letters;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod simulation;
mod values;
