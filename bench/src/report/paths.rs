//! Paths of the recorded files.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The folder of the results.
pub(super) fn folder() -> Result<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(root.parent().context("the bench is in the workspace")?.join("docs/performance"))
}

/// The recorded run as JSON.
pub(super) fn recorded() -> Result<PathBuf> {
    Ok(folder()?.join("results.json"))
}
