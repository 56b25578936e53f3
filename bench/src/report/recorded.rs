//! The last whole run, as it is kept in the repository. Only ratios of one run are compared: the figures themselves are the
//! machine's.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::line::{Beside, Line};
use super::{Report, docs};

/// A ratio that has become worse by less than this is not told apart from chance.
const TOLERANCE: f64 = 0.10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorded(Report);

pub(super) fn file() -> Result<PathBuf> {
    Ok(docs()?.join("performance.json"))
}

impl Recorded {
    /// The recorded run, if there is one.
    pub(crate) fn read() -> Result<Option<Self>> {
        match std::fs::read_to_string(file()?) {
            Ok(text) => Ok(Some(Self(serde_json::from_str(&text).context("docs/performance.json")?))),
            Err(_) => Ok(None),
        }
    }

    /// A sentence for each ratio that has become worse, or one that none has.
    pub(crate) fn compared(&self, now: &Report) -> String {
        let worse: Vec<_> = now.lines().filter_map(|line| self.worse(line)).collect();
        let since =
            format!("the run recorded at {} ({})", self.0.machine.measured_at, self.0.machine.version);
        if worse.is_empty() {
            return format!("\nNo ratio is worse than in {since}.\n");
        }
        format!("\nWorse than in {since}:\n\n{}", worse.concat())
    }

    fn worse(&self, line: &Line) -> Option<String> {
        let before = self.0.lines().find(|before| before.what == line.what)?.beside.as_ref()?.ratio.median;
        let Beside { what, ratio, .. } = line.beside.as_ref()?;
        let now = ratio.median;
        let is_worse = if line.unit.more_is_better() {
            now < before * (1.0 - TOLERANCE)
        } else {
            now > before * (1.0 + TOLERANCE)
        };
        is_worse.then(|| format!("- {}: {now:.2} of {what}, and {before:.2} before\n", line.what))
    }
}
