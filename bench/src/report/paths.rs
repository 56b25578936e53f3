//! Paths of the recorded files.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The folder `docs` of the workspace.
pub(super) fn docs() -> Result<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(root.parent().context("the bench is in the workspace")?.join("docs"))
}

/// The recorded run as JSON.
pub(super) fn recorded() -> Result<PathBuf> {
    Ok(docs()?.join("performance.json"))
}
